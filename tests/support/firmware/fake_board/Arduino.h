// As much of the Arduino core and of the nRF52840's registers as src/board names, so that it can be
// compiled here. Nothing of it runs.
#ifndef FAKE_ARDUINO_H_
#define FAKE_ARDUINO_H_

#include <cstddef>
#include <cstdint>

unsigned long micros();
unsigned long millis();
void delay(unsigned long ms);

enum { LOW, HIGH };
enum { INPUT, OUTPUT };
enum { LEDR, LEDG, LEDB, LED_BUILTIN, LED_PWR, PIN_ENABLE_SENSORS_3V3, PIN_ENABLE_I2C_PULLUP };
enum { PIN_PDM_CLK, PIN_PDM_DIN, PIN_PDM_PWR };
void pinMode(int pin, int mode);
void digitalWrite(int pin, int level);

struct FakeSerial {
  void begin(unsigned long baud);
  std::size_t write(const std::uint8_t* bytes, std::size_t count);
  int available();
  int read();
  operator bool() const;
};
extern FakeSerial Serial;

enum IRQn_Type { PDM_IRQn };
void NVIC_SetVector(IRQn_Type interrupt, std::uintptr_t vector);
void NVIC_SetPriority(IRQn_Type interrupt, std::uint32_t priority);
void NVIC_ClearPendingIRQ(IRQn_Type interrupt);
void NVIC_EnableIRQ(IRQn_Type interrupt);
void NVIC_DisableIRQ(IRQn_Type interrupt);
[[noreturn]] void NVIC_SystemReset();

struct FakeRegisters {
  volatile std::uint32_t DEMCR, CTRL, CYCCNT, RESETREAS, GPREGRET2, DCDCEN, USBREGSTATUS, ENABLE,
      ICACHECNF, RUNSTATUS, CONFIG, CRV, RREN, TASKS_START, RR[8], EVENTS_HFCLKSTARTED,
      TASKS_HFCLKSTART, RATIO;
};
extern FakeRegisters* const CoreDebug;
extern FakeRegisters* const DWT;
extern FakeRegisters* const NRF_CLOCK;
extern FakeRegisters* const NRF_NVMC;
extern FakeRegisters* const NRF_PDM;
extern FakeRegisters* const NRF_POWER;
extern FakeRegisters* const NRF_USBD;
extern FakeRegisters* const NRF_WDT;

// Macros, as in the chip's own header: a name of ours that is one of them must not compile.
#define CoreDebug_DEMCR_TRCENA_Msk (1ul << 24)
#define DWT_CTRL_CYCCNTENA_Msk (1ul << 0)
#define NVMC_ICACHECNF_CACHEEN_Enabled (1ul)
#define NVMC_ICACHECNF_CACHEEN_Pos (0ul)
#define PDM_RATIO_RATIO_Pos (0ul)
#define PDM_RATIO_RATIO_Ratio80 (1ul)
#define POWER_DCDCEN_DCDCEN_Enabled (1ul)
#define POWER_DCDCEN_DCDCEN_Pos (0ul)
#define POWER_RESETREAS_DOG_Msk (1ul << 1)
#define POWER_RESETREAS_LOCKUP_Msk (1ul << 3)
#define POWER_RESETREAS_RESETPIN_Msk (1ul << 0)
#define POWER_RESETREAS_SREQ_Msk (1ul << 2)
#define POWER_USBREGSTATUS_VBUSDETECT_Msk (1ul << 0)
#define USBD_ENABLE_ENABLE_Disabled (0ul)
#define USBD_ENABLE_ENABLE_Pos (0ul)
#define WDT_CONFIG_HALT_Pause (0ul)
#define WDT_CONFIG_HALT_Pos (3ul)
#define WDT_CONFIG_SLEEP_Pos (0ul)
#define WDT_CONFIG_SLEEP_Run (1ul)
#define WDT_RREN_RR0_Msk (1ul << 0)
#define WDT_RR_RR_Reload (0x6E524635ul)

#endif
