// As much of the core's library PDM as the sketch calls.
#ifndef FAKE_PDM_H_
#define FAKE_PDM_H_

#include <cstddef>

struct FakePdm {
  int begin(int channels, int sample_rate);
  void end();
  int read(void* buffer, std::size_t size);
  void onReceive(void (*receive)());
  void setGain(int gain);
};
extern FakePdm PDM;

#endif
