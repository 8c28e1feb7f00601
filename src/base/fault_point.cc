#include "base/fault_point.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace transship {

namespace {

/// What the environment asks for, and all points of the program. Filled before main.
class FaultPoints {
 public:
  FaultPoints() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this program sets variables.
    if (const char* fault = std::getenv("TRANSSHIP_FAULT")) {
      const std::string_view text = fault;
      const std::size_t colon = text.rfind(':');
      deadly_name_ = text.substr(0, colon);
      deadly_pass_ = colon == text.npos ? 1 : parse_u64(text.substr(colon + 1)).value_or(1);
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this program sets variables.
    if (const char* log = std::getenv("TRANSSHIP_FAULT_LOG")) log_ = log;
  }
  FaultPoints(const FaultPoints&) = delete;
  FaultPoints& operator=(const FaultPoints&) = delete;
  ~FaultPoints() {
    std::FILE* const file = log_.empty() ? nullptr : std::fopen(log_.c_str(), "w");
    if (file == nullptr) return;
    for (const auto& [name, point] : points_) {
      fmt::print(file, "{}\t{}\n", name, point->passed());
    }
    (void)std::fclose(file);
  }

  std::uint64_t add(std::string_view name, const FaultPoint* point) {
    points_.emplace(name, point);
    return name == deadly_name_ ? deadly_pass_ : 0;
  }
  std::map<std::string, std::uint64_t> passed() const {
    std::map<std::string, std::uint64_t> out;
    for (const auto& [name, point] : points_) out.emplace(name, point->passed());
    return out;
  }

 private:
  std::map<std::string, const FaultPoint*> points_;
  std::string deadly_name_, log_;
  std::uint64_t deadly_pass_ = 0;
};

FaultPoints& all_points() {
  static FaultPoints points;
  return points;
}

}  // namespace

FaultPoint::FaultPoint(std::string_view name) : deadly_(all_points().add(name, this)) {}

void FaultPoint::pass() {
  if (passed_.fetch_add(1, std::memory_order_relaxed) + 1 == deadly_) {
    (void)::kill(::getpid(), SIGKILL);
  }
}

std::map<std::string, std::uint64_t> fault_points_passed() { return all_points().passed(); }

}  // namespace transship
