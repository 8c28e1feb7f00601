#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/entry.h"

// Runs every file of every corpus through its entry: what fuzzing found once stays found.

namespace transship::fuzz {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Corpus, EveryFileRuns) {
  for (const NamedEntry& entry : entries()) {
    const std::filesystem::path folder = std::filesystem::path(TS_CORPUS_DIR) / entry.name;
    ASSERT_TRUE(std::filesystem::is_directory(folder)) << folder;
    std::size_t files = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      SCOPED_TRACE(file.path().string());
      entry.run(contents(file.path()));
      ++files;
    }
    EXPECT_GT(files, 0U) << folder;
  }
}

TEST(Corpus, EveryFolderHasItsEntry) {
  for (const auto& folder : std::filesystem::directory_iterator(TS_CORPUS_DIR)) {
    const std::string name = folder.path().filename().string();
    EXPECT_TRUE(std::ranges::any_of(entries(), [&](const auto& e) { return e.name == name; }))
        << name;
  }
}

// Cut and flipped corpus files: cheap neighbours of what is valid, the same in every run.
TEST(Corpus, NeighboursRunToo) {
  for (const NamedEntry& entry : entries()) {
    const std::filesystem::path folder = std::filesystem::path(TS_CORPUS_DIR) / entry.name;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      SCOPED_TRACE(file.path().string());
      std::string bytes = contents(file.path());
      const std::size_t step = 1 + bytes.size() / 200;
      for (std::size_t at = 0; at < bytes.size(); at += step) {
        entry.run(std::string_view(bytes).substr(0, at));
        for (const char mask : {'\x01', '\x20', '\x80'}) {
          bytes[at] = static_cast<char>(bytes[at] ^ mask);
          entry.run(bytes);
          bytes[at] = static_cast<char>(bytes[at] ^ mask);
        }
      }
    }
  }
}

}  // namespace
}  // namespace transship::fuzz
