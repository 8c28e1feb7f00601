#include <benchmark/benchmark.h>

#include <boost/asio/io_context.hpp>
#include <cstring>
#include <memory>
#include <vector>

#include "engine/pipe/pipe.h"

// What the pipe costs per byte: bytes written in pieces as curl gives them, hashed, and read by one
// or more targets, all in one thread; beside what cannot be saved: the copies and the hash alone.
// Several streams share the loop, as blobs in flight do, so that their hashes interleave.

namespace transship::engine {
namespace {

constexpr std::size_t kBody = 64U << 20U;
constexpr std::size_t kWrite = 16U << 10U;  // CURL_MAX_WRITE_SIZE
constexpr std::size_t kRead = 64U << 10U;

const std::vector<std::byte>& body() {
  static const std::vector<std::byte> bytes(kBody, std::byte{0x5a});
  return bytes;
}

const oci::Digest& digest() {
  static const oci::Digest value = oci::digest_of(
      {reinterpret_cast<const char*>(body().data()), body().size()}, oci::Algorithm::kSha256);
  return value;
}

/// One body on its way to `targets` readers.
class Relay {
 public:
  Relay(const Executor& executor, MemoryBudget& budget, std::size_t targets)
      : pipe_(executor, budget, real_time(), {.media_type = "", .digest = digest(), .size = kBody},
              Lineage::from_zero(oci::Algorithm::kSha256), {}) {
    for (std::size_t i = 0; i < targets; ++i) {
      readers_.push_back(std::make_unique<Cursor>(executor, nullptr));
      pipe_.attach(*readers_.back(), 0);
    }
  }
  ~Relay() {
    for (auto& reader : readers_) pipe_.release(*reader);
  }

  /// One turn: writes what fits, up to a quarter of the ring, and reads all there is.
  void turn(std::span<std::byte> out) {
    for (std::size_t i = 0; i < 16 && !pipe_.complete(); ++i) {
      if (pipe_.write(std::span(body()).subspan(pipe_.written(), kWrite)) != Flow::kMoved) break;
    }
    for (auto& reader : readers_) {
      while (reader->read(out).flow == Flow::kMoved) {
      }
    }
  }
  bool done() const {
    for (const auto& reader : readers_) {
      if (reader->offset() != kBody) return false;
    }
    return true;
  }

 private:
  Pipe pipe_;
  std::vector<std::unique_ptr<Cursor>> readers_;
};

void relay(benchmark::State& state) {
  const auto targets = static_cast<std::size_t>(state.range(0));
  const auto streams = static_cast<std::size_t>(state.range(1));
  std::vector<std::byte> out(kRead);
  for (auto _ : state) {
    boost::asio::io_context io;
    MemoryBudget budget(128U << 20U);
    std::vector<std::unique_ptr<Relay>> relays;
    for (std::size_t i = 0; i < streams; ++i) {
      relays.push_back(std::make_unique<Relay>(io.get_executor(), budget, targets));
    }
    bool all_done = false;
    while (!all_done) {
      all_done = true;
      for (auto& one : relays) {
        one->turn(out);
        all_done = all_done && one->done();
      }
      io.restart();
      io.poll();
    }
    relays.clear();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(streams * kBody));
}
BENCHMARK(relay)
    ->ArgNames({"targets", "streams"})
    ->Args({1, 1})
    ->Args({1, 3})
    ->Args({4, 1})
    ->Args({4, 3})
    ->Unit(benchmark::kMillisecond);

/// The floor: one copy in, one out for each target, and the hash of as many streams together.
void copies_and_hash(benchmark::State& state) {
  const auto targets = static_cast<std::size_t>(state.range(0));
  const auto streams = static_cast<std::size_t>(state.range(1));
  std::vector<std::vector<std::byte>> slots(streams, std::vector<std::byte>(128U << 10U));
  std::vector<std::byte> out(128U << 10U);
  for (auto _ : state) {
    std::vector<oci::Hasher> hashers(streams, oci::Hasher(oci::Algorithm::kSha256));
    std::vector<oci::Hasher*> together;
    std::vector<std::span<const std::byte>> spans;
    for (std::size_t i = 0; i < streams; ++i) {
      together.push_back(&hashers[i]);
      spans.emplace_back(slots[i]);
    }
    for (std::size_t at = 0; at < kBody; at += out.size()) {
      for (auto& slot : slots) std::memcpy(slot.data(), body().data() + at, slot.size());
      oci::update_together(together, spans);
      for (auto& slot : slots) {
        for (std::size_t i = 0; i < targets; ++i) {
          std::memcpy(out.data(), slot.data(), out.size());
          benchmark::DoNotOptimize(out.data());
        }
      }
    }
    benchmark::DoNotOptimize(hashers.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(streams * kBody));
}
BENCHMARK(copies_and_hash)
    ->ArgNames({"targets", "streams"})
    ->Args({1, 1})
    ->Args({1, 3})
    ->Args({4, 1})
    ->Args({4, 3})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace transship::engine
