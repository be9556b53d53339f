// Whether the build saves power: on a battery, without a host.
#ifndef SER_POWER_CONFIG_H_
#define SER_POWER_CONFIG_H_

// 1: no features are computed until sound is louder than the room, the board wakes for the
// microphone alone, and USB without a host, sensors and lights are off. Or the build flag
// -DSER_LOW_POWER=1.
#ifndef SER_LOW_POWER
#define SER_LOW_POWER 0
#endif

#endif
