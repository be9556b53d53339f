// Which engine runs the network. All give the same bits.
#ifndef SER_ENGINE_CONFIG_H_
#define SER_ENGINE_CONFIG_H_

#define SER_ENGINE_TFLM 1    // TFLite Micro, from a library of the Arduino IDE
#define SER_ENGINE_DIRECT 2  // the same network as straight C++: no library, no arena, less time
#define SER_ENGINE_OTHER 3   // yours: the header SER_ENGINE_HEADER defines the class ser::OtherEngine

// This line chooses, or the build flag -DSER_ENGINE=SER_ENGINE_DIRECT does.
#ifndef SER_ENGINE
#define SER_ENGINE SER_ENGINE_TFLM
#endif

// The library's header. MicroTFLite, which has the same interface (<MicroTFLite.h>), was not tried.
#ifndef SER_TFLM_HEADER
#define SER_TFLM_HEADER <Chirale_TensorFlowLite.h>
#endif

#endif
