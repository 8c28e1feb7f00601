#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace transship {

/// True in builds with the CMake option TS_FAULT_POINTS: debug builds, where the crash tests run.
/// Elsewhere a fault point is no code at all, so that no environment variable can end a release.
#ifdef TS_FAULT_POINTS
inline constexpr bool kFaultPoints = true;
#else
inline constexpr bool kFaultPoints = false;
#endif

/// A place where a crash test may end the process: before and after each commit step and each write
/// of the journal. It registers itself at the start of the program.
///
///   TRANSSHIP_FAULT=NAME:N        the process ends by SIGKILL when it passes NAME the Nth time
///   TRANSSHIP_FAULT_LOG=FILE      at the program's end: each name, and how often it was passed
class FaultPoint {
 public:
  explicit FaultPoint(std::string_view name);
  void pass();
  std::uint64_t passed() const { return passed_.load(std::memory_order_relaxed); }

 private:
  std::uint64_t deadly_;  // at this pass it ends the process; 0: never
  std::atomic<std::uint64_t> passed_{0};
};

/// All that are linked into this program, and how often each was passed.
std::map<std::string, std::uint64_t> fault_points_passed();

/// A point's name, as a template argument.
template <std::size_t N>
struct FaultName {
  consteval FaultName() = default;
  consteval FaultName(const char (&name)[N]) { std::copy_n(name, N, text); }
  template <std::size_t M>
  consteval FaultName<N + M - 1> then(const char (&more)[M]) const {
    FaultName<N + M - 1> out;
    std::copy_n(text, N - 1, out.text);
    std::copy_n(more, M, out.text + N - 1);
    return out;
  }
  char text[N]{};
};

template <FaultName name>
inline FaultPoint registered_fault_point{std::string_view(name.text)};

/// `fault_point<"journal-commit.before">();`
template <FaultName name>
void fault_point() {
  if constexpr (kFaultPoints) registered_fault_point<name>.pass();
}

/// Does `step` between the points NAME.before and NAME.after.
///
/// `fault_step<"serve-blob-rename">([&] { return ::renameat(...); })`
template <FaultName name, class Step>
auto fault_step(Step step) {
  fault_point<name.then(".before")>();
  auto done = step();
  fault_point<name.then(".after")>();
  return done;
}

}  // namespace transship
