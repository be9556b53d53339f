#include "beginning.h"

#include "exact.h"

namespace ser {
namespace {

using model::kOnsetDb;
using model::kOnsetHistoryFrames;
using model::kSharedFrames;

constexpr float kFar = 1e9f;  // dB, beyond every level

}  // namespace

void Beginning::Restart(bool waits) {
  waits_ = waits;
  frames_ = 0;
  loudest_ = -kFar;
  Begin(0, kFar);  // until the first frame
}

bool Beginning::Push(float level_db) {
  const int frame = frames_++;
  const int before = start_;
  levels_[frame % kKept] = level_db;
  if (frame == 0) level_ = level_db;
  if (level_db > loudest_) {
    loudest_ = level_db;
    limit_ = loudest_ - model::kOnsetRangeDb;
  }
  const int left = frame - kOnsetHistoryFrames;
  if (left > start_ && Least(left) > earlier_) earlier_ = Least(left);
  if (level_ < limit_) Search(frame);
  CatchUp(frame);
  if (waits_ && !risen_ && frame - start_ + 1 >= model::kFrameCount) {
    const int oldest = (left > start_ ? left : start_) + 1;
    Begin(oldest, Least(oldest));
    CatchUp(frame);
  }
  return start_ != before;
}

void Beginning::Begin(int start, float level) {
  start_ = next_ = start;
  level_ = level;
  run_ = 0;
  risen_ = false;
  earlier_ = -kFar;
  floor_ = kFar;
  highest_ = -kFar;
}

// The level of a frame, or of one before it that shares samples with it, if that is less.
float Beginning::Least(int frame) const {
  float least = Level(frame);
  for (int back = 1; back <= kSharedFrames && back <= frame; ++back) {
    if (Level(frame - back) < least) least = Level(frame - back);
  }
  return least;
}

void Beginning::Search(int frame) {
  if (earlier_ >= limit_) return;
  const int last = frame - kOnsetHistoryFrames;
  for (int at = (last > start_ ? last : start_) + 1; at <= frame; ++at) {
    const float least = Least(at);
    if (least < limit_) continue;
    Begin(at, least);
    return;
  }
}

void Beginning::CatchUp(int frame) {
  for (; next_ <= frame && !risen_; ++next_) Follow(next_);
}

void Beginning::Follow(int at) {
  const float level = Level(at);
  if (level + kOnsetDb < floor_) floor_ = level + kOnsetDb;
  const float above = limit_ + kOnsetDb > floor_ ? limit_ + kOnsetDb : floor_;
  if (level <= above) {
    run_ = 0;
    if (level > highest_) highest_ = level;
    return;
  }
  if (++run_ < model::kOnsetFrames) return;
  risen_ = true;
  const int rise = at - run_ + 1;
  if (rise - start_ < model::kOnsetSteadyFrames || highest_ > above) return;
  start_ = rise - model::kPrerollFrames;
  level_ = Least(start_);
  earlier_ = -kFar;
}

}  // namespace ser
