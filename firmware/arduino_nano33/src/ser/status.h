// What can go wrong, as one word. Every call that can fail returns it; nobody throws.
#ifndef SER_STATUS_H_
#define SER_STATUS_H_

#include <cstdint>

namespace ser {

enum class Status : std::uint8_t {
  kOk,
  kModelMismatch,   // generated files are of two exports
  kModelCorrupt,    // the model's bytes are not those of its hash, or not a model
  kModelVersion,    // of the schema, which the library does not read
  kOperators,       // the library lacks an operator
  kArenaTooSmall,   // or the model does not fit this library
  kModelShape,      // input or output of another size
  kModelType,       // input or output not int8, or of another scale
  kNotBegun,        // Step before a successful Begin
  kInferenceFailed, // the library refused a step
  kMicrophone,      // did not start, or fell silent
  kOverrun,         // samples were lost
};

inline const char* StatusName(Status status) {
  switch (status) {
    case Status::kOk:
      return "ok";
    case Status::kModelMismatch:
      return "model_mismatch";
    case Status::kModelCorrupt:
      return "model_corrupt";
    case Status::kModelVersion:
      return "model_version";
    case Status::kOperators:
      return "operators";
    case Status::kArenaTooSmall:
      return "arena_too_small";
    case Status::kModelShape:
      return "model_shape";
    case Status::kModelType:
      return "model_type";
    case Status::kNotBegun:
      return "not_begun";
    case Status::kInferenceFailed:
      return "inference_failed";
    case Status::kMicrophone:
      return "microphone";
    case Status::kOverrun:
      return "overrun";
  }
  return "unknown";
}

}  // namespace ser

#endif
