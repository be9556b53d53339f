#include "pdm.h"

#include "options.h"
#include "system.h"

#if !SER_CORE_PDM

#include <Arduino.h>
#include <hal/nrf_pdm.h>
#include <pinDefinitions.h>

#include "../ser/pdm_buffers.h"

namespace board {
namespace {

constexpr int kPriority = 5;  // below the radio, above the rest: a late interrupt loses sound

// 32 MHz / 25 = 1.28 MHz, and 80 of its bits make a sample: 16 kHz. The HAL has no name for it.
constexpr nrf_pdm_freq_t kClock = static_cast<nrf_pdm_freq_t>(0x0a000000);

ser::Device* device = nullptr;
ser::PdmBuffers buffers;
volatile std::uint32_t came = 0;

void GiveBuffer(std::int16_t* samples) {
  nrf_pdm_buffer_set(reinterpret_cast<std::uint32_t*>(samples), ser::PdmBuffers::kSamples);
}

void StartTransfer() {
  nrf_pdm_event_clear(NRF_PDM_EVENT_STARTED);
  GiveBuffer(buffers.First());
  nrf_pdm_enable();
  nrf_pdm_task_trigger(NRF_PDM_TASK_START);
}

// A buffer is full and the next one has begun. Copies and counts, nothing else.
void OnInterrupt() {
  if (!nrf_pdm_event_check(NRF_PDM_EVENT_STARTED)) return;
  nrf_pdm_event_clear(NRF_PDM_EVENT_STARTED);
  const ser::PdmBuffers::Turn turn = buffers.Started(micros());
  if (turn.finished != nullptr) {
    device->OnMicrophone(turn.finished, ser::PdmBuffers::kSamples);
    came = came + 1;
    SoundCame();
  }
  if (turn.late) device->OnMicrophoneLate();
  if (turn.lost > 0) device->OnMicrophoneLost(turn.lost);
  if (turn.again) {
    nrf_pdm_disable();
    StartTransfer();
  } else {
    GiveBuffer(turn.next);
  }
}

nrf_pdm_gain_t GainOf(float decibels) {  // half a dB a step, 40 is 0 dB
  const int steps = static_cast<int>(2.0f * (decibels + 20.0f) + 0.5f);
  return static_cast<nrf_pdm_gain_t>(steps < 0 ? 0 : steps > 80 ? 80 : steps);
}

}  // namespace

bool BeginPdm(ser::Device* of, float gain_db) {
  device = of;
  // The clock of 16 kHz comes from the crystal, which the radio may have started already.
  if (NRF_CLOCK->EVENTS_HFCLKSTARTED == 0) {
    NRF_CLOCK->TASKS_HFCLKSTART = 1;
    while (NRF_CLOCK->EVENTS_HFCLKSTARTED == 0) {
    }
  }
  NRF_PDM->RATIO = PDM_RATIO_RATIO_Ratio80 << PDM_RATIO_RATIO_Pos;
  nrf_pdm_clock_set(kClock);
  nrf_pdm_mode_set(NRF_PDM_MODE_MONO, NRF_PDM_EDGE_LEFTFALLING);
  nrf_pdm_gain_set(GainOf(gain_db), GainOf(gain_db));
  pinMode(PIN_PDM_CLK, OUTPUT);
  digitalWrite(PIN_PDM_CLK, LOW);
  pinMode(PIN_PDM_DIN, INPUT);
  nrf_pdm_psel_connect(digitalPinToPinName(PIN_PDM_CLK), digitalPinToPinName(PIN_PDM_DIN));
  pinMode(PIN_PDM_PWR, OUTPUT);
  digitalWrite(PIN_PDM_PWR, HIGH);
  NVIC_SetVector(PDM_IRQn, reinterpret_cast<std::uintptr_t>(OnInterrupt));
  NVIC_SetPriority(PDM_IRQn, kPriority);
  NVIC_ClearPendingIRQ(PDM_IRQn);
  nrf_pdm_int_enable(NRF_PDM_INT_STARTED);
  StartTransfer();
  NVIC_EnableIRQ(PDM_IRQn);
  return true;
}

void EndPdm() {
  NVIC_DisableIRQ(PDM_IRQn);
  nrf_pdm_disable();
  nrf_pdm_psel_disconnect();
  digitalWrite(PIN_PDM_PWR, LOW);
}

std::uint32_t PdmBuffersThatCame() { return came; }

}  // namespace board

#endif
