#pragma once

#include <string_view>
#include <vector>

namespace transship::fuzz {

/// One way in for bytes that others wrote. It must not crash, whatever the input; what must hold
/// beyond that it checks with `require`.
using Entry = void (*)(std::string_view input);

struct NamedEntry {
  std::string_view name;  ///< Also the folder of its corpus: corpus/<name>/.
  Entry run;
};

/// Called by a static object in each *_fuzz.cc.
bool add_entry(std::string_view name, Entry run);
const std::vector<NamedEntry>& entries();

/// Ends the program when `holds` is false, in every build type: libFuzzer takes that as a finding.
void require(bool holds, std::string_view what);

}  // namespace transship::fuzz
