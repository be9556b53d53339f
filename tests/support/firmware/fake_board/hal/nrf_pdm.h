// As much of the nRF PDM registers' header as the sketch calls.
#ifndef FAKE_NRF_PDM_H_
#define FAKE_NRF_PDM_H_

#include <cstdint>

enum nrf_pdm_event_t { NRF_PDM_EVENT_STARTED };
enum nrf_pdm_task_t { NRF_PDM_TASK_START };
enum nrf_pdm_mode_t { NRF_PDM_MODE_MONO };
enum nrf_pdm_edge_t { NRF_PDM_EDGE_LEFTFALLING };
enum nrf_pdm_int_mask_t { NRF_PDM_INT_STARTED };
enum nrf_pdm_freq_t { NRF_PDM_FREQ_1032K = 0x08400000 };
using nrf_pdm_gain_t = std::uint8_t;

void nrf_pdm_buffer_set(std::uint32_t* buffer, std::uint32_t samples);
void nrf_pdm_clock_set(nrf_pdm_freq_t clock);
void nrf_pdm_disable();
void nrf_pdm_enable();
bool nrf_pdm_event_check(nrf_pdm_event_t event);
void nrf_pdm_event_clear(nrf_pdm_event_t event);
void nrf_pdm_gain_set(nrf_pdm_gain_t left, nrf_pdm_gain_t right);
void nrf_pdm_int_enable(std::uint32_t mask);
void nrf_pdm_mode_set(nrf_pdm_mode_t mode, nrf_pdm_edge_t edge);
void nrf_pdm_psel_connect(std::uint32_t clock, std::uint32_t data);
void nrf_pdm_psel_disconnect();
void nrf_pdm_task_trigger(nrf_pdm_task_t task);

#endif
