#include <cstddef>
#include <cstdint>

#include "fuzz/entry.h"

// The libFuzzer side: each fuzzing program has exactly one entry linked in.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const auto& entry : transship::fuzz::entries()) entry.run(input);
  return 0;
}
