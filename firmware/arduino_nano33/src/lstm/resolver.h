// Hands our LSTM to TFLite Micro's interpreter in place of its own. Include it after the library's
// headers, in a file that does not see Arduino.h's macros; nothing else here knows the library.
#ifndef LSTM_RESOLVER_H_
#define LSTM_RESOLVER_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "layer.h"
#include "tensorflow/lite/c/builtin_op_data.h"
#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/core/api/flatbuffer_conversions.h"
#include "tensorflow/lite/micro/compatibility.h"
#include "tensorflow/lite/micro/kernels/kernel_util.h"
#include "tensorflow/lite/micro/micro_context.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

namespace lstm {
namespace glue {

// Its name changed with the library's versions.
using Registration = typename std::remove_const<typename std::remove_pointer<
    decltype(std::declval<const tflite::MicroOpResolver&>().FindOp(
        tflite::BuiltinOperator_UNIDIRECTIONAL_SEQUENCE_LSTM))>::type>::type;

// Places in the operator's list of inputs. The first of a group of four is that of the input gate;
// forget, cell and output gate follow.
constexpr int kInput = 0;
constexpr int kInputWeights = 1;
constexpr int kStateWeights = 5;
constexpr int kPeepholes = 9;
constexpr int kBias = 12;
constexpr int kProjection = 16;
constexpr int kState = 18;
constexpr int kCell = 19;
constexpr int kNormalisation = 20;
constexpr int kOutput = -1;  // of the list of outputs

// What there is to know of a tensor, so that the library's own need not be kept.
struct Tensor {
  bool there;
  TfLiteType type;
  bool constant;
  bool variable;
  int scales;  // how many
  float scale;
  int zero_point;
  int rank;
  int size[3];
  int elements;
  const void* data;
};

inline Tensor Look(TfLiteContext* context, TfLiteNode* node, int place) {
  Tensor seen = {};
  if (place >= node->inputs->size) return seen;
  tflite::MicroContext* const micro = tflite::GetMicroContext(context);
  TfLiteTensor* const tensor = place == kOutput ? micro->AllocateTempOutputTensor(node, 0)
                                                : micro->AllocateTempInputTensor(node, place);
  if (tensor == nullptr) return seen;
  seen.there = true;
  seen.type = tensor->type;
  seen.constant = tensor->allocation_type == kTfLiteMmapRo;
  seen.variable = tensor->is_variable;
  seen.scale = tensor->params.scale;
  seen.zero_point = static_cast<int>(tensor->params.zero_point);
  if (tensor->quantization.type == kTfLiteAffineQuantization) {
    seen.scales = static_cast<const TfLiteAffineQuantization*>(tensor->quantization.params)
                      ->scale->size;
  }
  seen.rank = tensor->dims->size;
  seen.elements = 1;
  for (int i = 0; i < seen.rank; ++i) {
    if (i < 3) seen.size[i] = tensor->dims->data[i];
    seen.elements *= tensor->dims->data[i];
  }
  seen.data = tensor->data.data;
  micro->DeallocateTempTfLiteTensor(tensor);
  return seen;
}

inline bool IsMatrix(const Tensor& tensor, int rows, int columns) {
  return tensor.there && tensor.type == kTfLiteInt8 && tensor.constant && tensor.rank == 2 &&
         tensor.size[0] == rows && tensor.size[1] == columns;
}

// Null, or what we do not know.
inline const char* CheckKind(TfLiteContext* context, TfLiteNode* node) {
  const auto* options =
      static_cast<const TfLiteUnidirectionalSequenceLSTMParams*>(node->builtin_data);
  if (options->time_major) return "time-major input is not known";
  if (options->activation != kTfLiteActTanh) return "another activation than tanh is not known";
  for (int place = kPeepholes; place < kBias; ++place) {
    if (Look(context, node, place).there) return "peepholes are not known";
  }
  for (int place = kProjection; place < kState; ++place) {
    if (Look(context, node, place).there) return "a projection is not known";
  }
  for (int place = kNormalisation; place < kNormalisation + 4; ++place) {
    if (Look(context, node, place).there) return "layer normalisation is not known";
  }
  return nullptr;
}

inline const char* DescribeStates(TfLiteContext* context, TfLiteNode* node,
                                  Description* described) {
  const Tensor input = Look(context, node, kInput);
  const Tensor output = Look(context, node, kOutput);
  const Tensor state = Look(context, node, kState);
  const Tensor cell = Look(context, node, kCell);
  if (!input.there || !output.there || !state.there || !cell.there) {
    return "input, output, state or cell is missing";
  }
  if (input.type != kTfLiteInt8 || output.type != kTfLiteInt8 || state.type != kTfLiteInt8) {
    return "expected input, output and state of int8";
  }
  if (cell.type != kTfLiteInt16) return "expected a cell of int16";
  if (!state.variable || !cell.variable) return "expected state and cell to be variables";
  if (input.rank != 3 || output.rank != 3) return "expected input and output of three dimensions";
  described->batches = input.size[0];
  described->steps = input.size[1];
  described->inputs = input.size[2];
  described->units = output.size[2];
  const int states = described->batches * described->units;
  if (output.size[0] != input.size[0] || output.size[1] != input.size[1] ||
      state.elements != states || cell.elements != states) {
    return "input, output, state and cell are of sizes that do not fit";
  }
  described->input_scale = input.scale;
  described->input_zero_point = input.zero_point;
  described->state_scale = state.scale;
  described->state_zero_point = state.zero_point;
  described->cell_scale = cell.scale;
  described->cell_clip =
      static_cast<const TfLiteUnidirectionalSequenceLSTMParams*>(node->builtin_data)->cell_clip;
  return nullptr;
}

inline const char* DescribeGate(TfLiteContext* context, TfLiteNode* node, int gate,
                                Description* described) {
  const Tensor input = Look(context, node, kInputWeights + gate);
  const Tensor state = Look(context, node, kStateWeights + gate);
  const Tensor bias = Look(context, node, kBias + gate);
  if (!IsMatrix(input, described->units, described->inputs) ||
      !IsMatrix(state, described->units, described->units)) {
    return "expected constant weights of int8, a row a unit, for all four gates";
  }
  if (input.scales > 1 || state.scales > 1) return "a scale for each row is not known";
  if (input.zero_point != 0 || state.zero_point != 0) return "expected weights of zero point 0";
  if (!bias.there || bias.type != kTfLiteInt32 || !bias.constant ||
      bias.elements != described->units) {
    return "expected a constant bias of int32 for all four gates";
  }
  described->input_weight_scale[gate] = input.scale;
  described->state_weight_scale[gate] = state.scale;
  described->input_weights[gate] = static_cast<const std::int8_t*>(input.data);
  described->state_weights[gate] = static_cast<const std::int8_t*>(state.data);
  described->bias[gate] = static_cast<const std::int32_t*>(bias.data);
  return nullptr;
}

struct Operator {
  Layer layer;
  int work;  // number of the buffer in the arena
};

inline void* Init(TfLiteContext* context, const char*, std::size_t) {
  return context->AllocatePersistentBuffer(context, sizeof(Operator));
}

inline TfLiteStatus PrepareNode(TfLiteContext* context, TfLiteNode* node) {
  auto* const made = static_cast<Operator*>(node->user_data);
  if (made == nullptr || node->builtin_data == nullptr) return kTfLiteError;
  Description described = {};
  const char* trouble = CheckKind(context, node);
  if (trouble == nullptr) trouble = DescribeStates(context, node, &described);
  for (int gate = 0; gate < 4 && trouble == nullptr; ++gate) {
    trouble = DescribeGate(context, node, gate, &described);
  }
  if (trouble == nullptr) trouble = Prepare(described, &made->layer);
  if (trouble != nullptr) {
    MicroPrintf("LSTM: %s", trouble);
    return kTfLiteError;
  }
  return context->RequestScratchBufferInArena(
      context, sizeof(std::int16_t) * WorkSize(described), &made->work);
}

inline TfLiteStatus Invoke(TfLiteContext* context, TfLiteNode* node) {
  const auto* const made = static_cast<const Operator*>(node->user_data);
  Run(made->layer, tflite::micro::GetEvalInput(context, node, kInput)->data.int8,
      tflite::micro::GetMutableEvalInput(context, node, kState)->data.int8,
      tflite::micro::GetMutableEvalInput(context, node, kCell)->data.i16,
      tflite::micro::GetEvalOutput(context, node, 0)->data.int8,
      static_cast<std::int16_t*>(context->GetScratchBuffer(context, made->work)));
  return kTfLiteOk;
}

inline Registration MakeRegistration() {
  Registration made = {};
  made.init = Init;
  made.prepare = PrepareNode;
  made.invoke = Invoke;
  made.builtin_code = tflite::BuiltinOperator_UNIDIRECTIONAL_SEQUENCE_LSTM;
  return made;
}

}  // namespace glue

// As MicroMutableOpResolver: the LSTM is in it already, other operators are added. `kOthers` counts
// them. It must outlive the interpreter.
template <unsigned int kOthers>
class OpResolver : public tflite::MicroMutableOpResolver<kOthers> {
  using Base = tflite::MicroMutableOpResolver<kOthers>;

 public:
  using Base::FindOp;
  const glue::Registration* FindOp(tflite::BuiltinOperator op) const override {
    return IsLstm(op) ? &registration_ : Base::FindOp(op);
  }
  tflite::TfLiteBridgeBuiltinParseFunction GetOpDataParser(
      tflite::BuiltinOperator op) const override {
    return IsLstm(op) ? tflite::ParseUnidirectionalSequenceLSTM : Base::GetOpDataParser(op);
  }

 private:
  TF_LITE_REMOVE_VIRTUAL_DELETE

  static bool IsLstm(tflite::BuiltinOperator op) {
    return op == tflite::BuiltinOperator_UNIDIRECTIONAL_SEQUENCE_LSTM;
  }

  glue::Registration registration_ = glue::MakeRegistration();
};

}  // namespace lstm

#endif
