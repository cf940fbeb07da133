// Run signatures of a SavedModel as TF Serving does: by TensorFlow's C++ LoadSavedModel and tensorflow-text's kernels.
//
//   run_signatures SAVED_MODEL REQUESTS ANSWERS OP_LIBRARY...
//
// REQUESTS has a folder for each signature and in it a TensorProto for each input; ANSWERS gets the same for outputs.

#include <dlfcn.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/framework/tensor.pb.h"
#include "tensorflow/core/public/session.h"

namespace fs = std::filesystem;

int main(int argc, char** argv) {
  for (int i = 4; i < argc; ++i) {
    if (dlopen(argv[i], RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      std::cerr << dlerror() << std::endl;
      return 1;
    }
  }
  tensorflow::SavedModelBundle bundle;
  auto status = tensorflow::LoadSavedModel(tensorflow::SessionOptions(), tensorflow::RunOptions(), argv[1],
                                           {"serve"}, &bundle);
  if (!status.ok()) {
    std::cerr << status.ToString() << std::endl;
    return 1;
  }
  for (const auto& folder : fs::directory_iterator(argv[2])) {
    const std::string name = folder.path().filename().string();
    const auto& signature = bundle.meta_graph_def.signature_def().at(name);
    std::vector<std::pair<std::string, tensorflow::Tensor>> inputs;
    for (const auto& input : signature.inputs()) {
      std::ifstream file(folder.path() / input.first, std::ios::binary);
      tensorflow::TensorProto proto;
      tensorflow::Tensor tensor;
      if (!proto.ParseFromIstream(&file) || !tensor.FromProto(proto)) {
        std::cerr << "no tensor for " << name << " " << input.first << std::endl;
        return 1;
      }
      inputs.emplace_back(input.second.name(), tensor);
    }
    std::vector<std::string> keys, fetches;
    for (const auto& output : signature.outputs()) {
      keys.push_back(output.first);
      fetches.push_back(output.second.name());
    }
    std::vector<tensorflow::Tensor> outputs;
    status = bundle.session->Run(inputs, fetches, {}, &outputs);
    if (!status.ok()) {
      std::cerr << name << ": " << status.ToString() << std::endl;
      return 1;
    }
    fs::create_directories(fs::path(argv[3]) / name);
    for (size_t i = 0; i < keys.size(); ++i) {
      tensorflow::TensorProto proto;
      outputs[i].AsProtoField(&proto);
      std::ofstream file(fs::path(argv[3]) / name / keys[i], std::ios::binary);
      proto.SerializeToOstream(&file);
    }
  }
  return 0;
}
