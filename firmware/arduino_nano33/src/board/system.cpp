#include "system.h"

#include <Arduino.h>
#include <mbed.h>

#include <initializer_list>

#include "options.h"

namespace board {
namespace {

constexpr int kStuckSeconds = 5;
constexpr std::uint32_t kHardwareSeconds = 120;
constexpr std::uint32_t kStuckMark = 0x5e;  // in a register that outlives a reset

mbed::Ticker ticker;
volatile int seconds_left = kStuckSeconds;

void EverySecond() {
  seconds_left = seconds_left - 1;
  if (seconds_left > 0) return;
  NRF_POWER->GPREGRET2 = kStuckMark;
  NVIC_SystemReset();
}

#if SER_LOW_POWER
rtos::Semaphore sound(0, 1);
bool usb_off = false;

bool HasHost() { return (NRF_POWER->USBREGSTATUS & POWER_USBREGSTATUS_VBUSDETECT_Msk) != 0; }
#endif

}  // namespace

#if SER_LOW_POWER

void SavePower() {
  NRF_POWER->DCDCEN = POWER_DCDCEN_DCDCEN_Enabled << POWER_DCDCEN_DCDCEN_Pos;
  for (const int pin : {PIN_ENABLE_SENSORS_3V3, PIN_ENABLE_I2C_PULLUP, LED_PWR}) {
    pinMode(pin, OUTPUT);
    digitalWrite(pin, LOW);
  }
  usb_off = !HasHost();
  if (usb_off) NRF_USBD->ENABLE = USBD_ENABLE_ENABLE_Disabled << USBD_ENABLE_ENABLE_Pos;
}

bool HasUsb() { return !usb_off; }

void WaitForSound() {
  sound.try_acquire_for(std::chrono::milliseconds(100));  // meanwhile the idle thread sleeps (WFE)
  if (usb_off && HasHost()) NVIC_SystemReset();           // and begins again with USB
}

void SoundCame() { sound.release(); }

#else

void SavePower() {}
bool HasUsb() { return true; }
void WaitForSound() { delay(1); }
void SoundCame() {}

#endif

void BeginCycles() {
  CoreDebug->DEMCR = CoreDebug->DEMCR | CoreDebug_DEMCR_TRCENA_Msk;
  DWT->CTRL = DWT->CTRL | DWT_CTRL_CYCCNTENA_Msk;
}

std::uint32_t Cycles() { return DWT->CYCCNT; }

const char* ResetReason() {
  const std::uint32_t reason = NRF_POWER->RESETREAS;
  const bool stuck = NRF_POWER->GPREGRET2 == kStuckMark;
  NRF_POWER->RESETREAS = reason;  // ones clear it, or the next reset would add to it
  NRF_POWER->GPREGRET2 = 0;
  if (reason & POWER_RESETREAS_DOG_Msk) return "watchdog";
  if (stuck) return "loop stuck";
  if (reason & POWER_RESETREAS_LOCKUP_Msk) return "lockup";
  if (reason & POWER_RESETREAS_SREQ_Msk) return "software";
  if (reason & POWER_RESETREAS_RESETPIN_Msk) return "pin";
  return "power";
}

void BeginCache() {
#if SER_FLASH_CACHE
  NRF_NVMC->ICACHECNF = NVMC_ICACHECNF_CACHEEN_Enabled << NVMC_ICACHECNF_CACHEEN_Pos;
#endif
}

// A timer's interrupt watches the loop. The hardware watchdog watches the timer: it cannot be
// stopped any more, and a software reset does not stop it either, so with a short time it would bite
// the bootloader in the middle of an upload. Two minutes are longer than any upload.
void BeginWatchdog() {
  ticker.attach(EverySecond, std::chrono::seconds(1));
  if (NRF_WDT->RUNSTATUS == 0) {
    NRF_WDT->CONFIG = (WDT_CONFIG_SLEEP_Run << WDT_CONFIG_SLEEP_Pos) |
                      (WDT_CONFIG_HALT_Pause << WDT_CONFIG_HALT_Pos);
    NRF_WDT->CRV = kHardwareSeconds * 32768 - 1;
    NRF_WDT->RREN = WDT_RREN_RR0_Msk;
    NRF_WDT->TASKS_START = 1;
  }
  KickWatchdog();
}

void KickWatchdog() {
  seconds_left = kStuckSeconds;
  NRF_WDT->RR[0] = WDT_RR_RR_Reload;
}

}  // namespace board
