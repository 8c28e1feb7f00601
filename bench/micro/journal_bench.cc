#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "base/task_group.h"
#include "storage/journal.h"

// Rows written to the journal in transactions of some size, and read back: what remembering a tag
// costs. On the directory for temporary files.

namespace transship::storage {
namespace {

class Directory {
 public:
  Directory() { std::filesystem::create_directories(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / fmt::format("journal_bench.{}", getpid());
};

std::string tag(std::int64_t number) { return fmt::format("v{}", number); }

void put(Journal& journal, std::int64_t first, std::int64_t count) {
  static const oci::Digest kDigest = oci::digest_of("content");
  for (std::int64_t i = first; i < first + count; ++i) {
    journal.put_tag("eu.example.com/team/app", tag(i), {.digest = kDigest, .evidence = "none"});
  }
}

void write(benchmark::State& state) {
  const Directory directory;
  auto journal = Journal::open(directory.path());
  if (!journal) return state.SkipWithError(journal.error().message.c_str());
  const auto done = run_to_end([&]() -> Task<Result<void>> {
    std::int64_t next = 0;
    for (auto _ : state) {
      put(**journal, next, state.range(0));
      next += state.range(0);
      co_await (*journal)->flush();
    }
    co_return Result<void>{};
  });
  if (!done) state.SkipWithError(done.error().message.c_str());
  if (!(*journal)->trouble().empty()) state.SkipWithError((*journal)->trouble().c_str());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(write)->Arg(1)->Arg(20)->Arg(500)->UseRealTime();

void read(benchmark::State& state) {
  constexpr std::int64_t kRows = 100'000;
  const Directory directory;
  auto journal = Journal::open(directory.path());
  if (!journal) return state.SkipWithError(journal.error().message.c_str());
  const auto done = run_to_end([&]() -> Task<Result<void>> {
    put(**journal, 0, kRows);
    co_await (*journal)->flush();
    std::int64_t next = 0;
    for (auto _ : state) {
      std::vector<std::string> names;
      for (std::int64_t i = 0; i < state.range(0); ++i) names.push_back(tag((next + i) % kRows));
      next += state.range(0);
      TS_CO_TRY(const auto rows,
                co_await (*journal)->tags("eu.example.com/team/app", std::move(names)));
      benchmark::DoNotOptimize(rows.size());
    }
    co_return Result<void>{};
  });
  if (!done) state.SkipWithError(done.error().message.c_str());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(read)->Arg(20)->Arg(500)->UseRealTime();

}  // namespace
}  // namespace transship::storage
