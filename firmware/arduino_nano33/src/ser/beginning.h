// Where the features of a window begin: at the first frame that is at most kOnsetRangeDb quieter
// than the loudest.
#ifndef SER_BEGINNING_H_
#define SER_BEGINNING_H_

#include <cstdint>

#include "../model/feature_settings.h"

namespace ser {

// The same steps and numbers as ser_tinyml/features/beginning.py, which has the reasons.
class Beginning {
 public:
  // The next frame is the first of a window. A recording may begin with noise, so there it waits: as
  // long as only steady noise came, the beginning moves along. Live the gate has waited already.
  void Restart(bool waits);

  // Takes the level of the next frame; true: the beginning moved, to one of the last
  // kOnsetHistoryFrames.
  bool Push(float level_db);

  int start() const { return start_; }  // frames since Restart
  bool risen() const { return risen_; }  // false: steady noise or silence so far

 private:
  static constexpr int kKept = model::kOnsetHistoryFrames + model::kSharedFrames + 1;

  void Begin(int start, float level);
  void Search(int frame);
  void CatchUp(int frame);
  void Follow(int at);
  float Level(int frame) const { return levels_[frame % kKept]; }
  float Least(int frame) const;

  int frames_ = 0;     // since Restart
  int start_ = 0;
  int next_ = 0;       // the next frame that Follow has to see
  int run_ = 0;        // frames in a row that are over the floor
  bool risen_ = false;
  bool waits_ = false;
  float loudest_ = 0.0f;
  float limit_ = 0.0f;    // what is below it is out of range
  float level_ = 0.0f;    // of the beginning
  float earlier_ = 0.0f;  // the loudest since the beginning that is no more among the last
  float floor_ = 0.0f;
  float highest_ = 0.0f;
  float levels_[kKept] = {};
};

}  // namespace ser

#endif
