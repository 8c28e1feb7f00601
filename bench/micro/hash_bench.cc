#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include <array>
#include <vector>

#include "oci/hasher.h"

// SHA-256 of 1 to 4 streams in one thread, in steps of 256 KiB as the hash lane takes them, beside
// OpenSSL's EVP. Read bytes_per_second: all streams together.

namespace transship::oci {
namespace {

constexpr std::size_t kStep = 256U << 10U;

std::vector<std::vector<std::byte>> bodies(std::size_t count) {
  std::vector<std::vector<std::byte>> out(count, std::vector<std::byte>(kStep));
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < kStep; ++k) out[i][k] = static_cast<std::byte>(i + k * 31);
  }
  return out;
}

void evp_one_stream(benchmark::State& state) {
  const auto body = bodies(1);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestInit_ex(context, EVP_sha256(), nullptr);
  for (auto _ : state) {
    benchmark::DoNotOptimize(EVP_DigestUpdate(context, body[0].data(), kStep));
  }
  EVP_MD_CTX_free(context);
  state.SetBytesProcessed(static_cast<std::int64_t>(kStep) * state.iterations());
}
BENCHMARK(evp_one_stream);

void streams_together(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto body = bodies(count);
  std::vector<Hasher> hashers(count, Hasher(Algorithm::kSha256));
  for (auto _ : state) {
    // Above the most that go together: in groups, three and one.
    for (std::size_t at = 0; at < count; at += kMaxTogether) {
      const std::size_t n = std::min(kMaxTogether, count - at);
      std::array<Hasher*, kMaxTogether> group{};
      std::array<std::span<const std::byte>, kMaxTogether> parts{};
      for (std::size_t i = 0; i < n; ++i) {
        group[i] = &hashers[at + i];
        parts[i] = body[at + i];
      }
      update_together({group.data(), n}, {parts.data(), n});
    }
  }
  benchmark::DoNotOptimize(hashers.front().finish());
  state.SetLabel(sha_ni_in_use() ? "SHA-NI" : "OpenSSL");
  state.SetBytesProcessed(static_cast<std::int64_t>(kStep * count) * state.iterations());
}
BENCHMARK(streams_together)->DenseRange(1, 4);

void sha512_one_stream(benchmark::State& state) {
  const auto body = bodies(1);
  Hasher hasher(Algorithm::kSha512);
  for (auto _ : state) hasher.update(body[0]);
  benchmark::DoNotOptimize(hasher.finish());
  state.SetBytesProcessed(static_cast<std::int64_t>(kStep) * state.iterations());
}
BENCHMARK(sha512_one_stream);

// Manifests are short: what the state's conversions and the padding cost.
void small_digests(benchmark::State& state) {
  const std::string text(static_cast<std::size_t>(state.range(0)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(digest_of(text));
  state.SetBytesProcessed(state.range(0) * state.iterations());
}
BENCHMARK(small_digests)->Arg(64)->Arg(2048);

}  // namespace
}  // namespace transship::oci
