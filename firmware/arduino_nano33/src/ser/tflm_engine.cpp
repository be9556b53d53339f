#include "engine_config.h"

#if SER_ENGINE == SER_ENGINE_TFLM

#include SER_TFLM_HEADER  // first: the Arduino IDE finds the library by it

// That header brings Arduino.h along, whose macro breaks std::abs in the headers below.
#undef abs

#include <cstdint>
#include <cstring>
#include <new>

#include "../lstm/resolver.h"
#include "../model/model.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/schema/schema_generated.h"
#include "tflm_engine.h"

namespace ser {
namespace {

using Resolver = lstm::OpResolver<3>;  // with the library's own LSTM a step takes seven times as long

alignas(16) std::uint8_t arena[model::kArenaSize];
alignas(Resolver) std::uint8_t resolver_memory[sizeof(Resolver)];
alignas(tflite::MicroInterpreter) std::uint8_t interpreter_memory[sizeof(tflite::MicroInterpreter)];
tflite::MicroInterpreter* interpreter = nullptr;  // of a model that passed every check

std::uint32_t Checksum(const unsigned char* data, std::size_t size) {
  std::uint32_t value = 0x811c9dc5u;
  for (std::size_t i = 0; i < size; ++i) value = (value ^ data[i]) * 0x01000193u;
  return value;
}

bool HasShape(const TfLiteTensor* tensor, const int* shape, int rank) {
  if (tensor == nullptr || tensor->dims == nullptr || tensor->dims->size != rank) return false;
  for (int i = 0; i < rank; ++i) {
    if (tensor->dims->data[i] != shape[i]) return false;
  }
  return true;
}

bool HasType(const TfLiteTensor* tensor, float scale, int zero_point) {
  return tensor->type == kTfLiteInt8 && tensor->params.scale == scale &&
         tensor->params.zero_point == zero_point;
}

}  // namespace

Status TflmEngine::Begin() {
  interpreter = nullptr;
  if (!model::FilesBelongTogether()) return Status::kModelMismatch;
  if (Checksum(model::kModelData, model::kModelSize) != model::kModelChecksum) {
    return Status::kModelCorrupt;
  }
  const tflite::Model* network = tflite::GetModel(model::kModelData);
  if (network->version() != TFLITE_SCHEMA_VERSION) return Status::kModelVersion;

  auto* resolver = new (resolver_memory) Resolver;
  if (resolver->AddStridedSlice() != kTfLiteOk || resolver->AddFullyConnected() != kTfLiteOk ||
      resolver->AddSoftmax() != kTfLiteOk) {
    return Status::kOperators;
  }
  auto* made = new (interpreter_memory)
      tflite::MicroInterpreter(network, *resolver, arena, sizeof(arena));
  if (made->AllocateTensors() != kTfLiteOk) return Status::kArenaTooSmall;

  const int input_shape[] = {1, 1, model::kInputCount};
  const int output_shape[] = {1, model::kLabelCount};
  if (made->inputs_size() != 1 || made->outputs_size() != 1 ||
      !HasShape(made->input(0), input_shape, 3) || !HasShape(made->output(0), output_shape, 2)) {
    return Status::kModelShape;
  }
  if (!HasType(made->input(0), model::kInputScale, model::kInputZeroPoint) ||
      !HasType(made->output(0), model::kOutputScale, model::kOutputZeroPoint)) {
    return Status::kModelType;
  }
  interpreter = made;
  Reset();
  return interpreter == nullptr ? Status::kInferenceFailed : Status::kOk;
}

void TflmEngine::Reset() {
  // An engine that still remembers the last clip must not answer for the next.
  if (interpreter != nullptr && interpreter->Reset() != kTfLiteOk) interpreter = nullptr;
}

Status TflmEngine::Step(const std::int8_t* input, std::int8_t* output) {
  if (interpreter == nullptr) return Status::kNotBegun;
  std::memcpy(interpreter->input(0)->data.int8, input, model::kInputCount);
  if (interpreter->Invoke() != kTfLiteOk) return Status::kInferenceFailed;
  std::memcpy(output, interpreter->output(0)->data.int8, model::kLabelCount);
  return Status::kOk;
}

int TflmEngine::ArenaBytes() {
  return interpreter == nullptr ? 0 : static_cast<int>(interpreter->arena_used_bytes());
}

}  // namespace ser

#endif
