#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

// The compression functions below `Hasher`: whole blocks only, no padding. For hasher.cc, its tests
// and benchmarks.

namespace transship::oci {

inline constexpr std::size_t kSha256Block = 64;
inline constexpr std::size_t kSha512Block = 128;

/// One SHA-256 stream: its chaining words a..h, and where its next block begins.
struct Sha256Lane {
  std::array<std::uint32_t, 8> words;
  const std::byte* data;
};

/// The CPU has SHA-NI and SSE4.1.
bool cpu_has_sha_ni();

/// Advances each of 1 to 3 lanes by `blocks` blocks in one loop; `data` ends up behind them. Only
/// where `cpu_has_sha_ni()`.
void sha256_ni_blocks(std::span<Sha256Lane> lanes, std::size_t blocks);

/// The same for one lane, by OpenSSL.
void sha256_openssl_blocks(Sha256Lane& lane, std::size_t blocks);
void sha512_openssl_blocks(std::array<std::uint64_t, 8>& words, const std::byte* data,
                           std::size_t blocks);

/// Tests: hashes through OpenSSL while `on`, whatever the CPU can do. Not for two threads at once.
void force_openssl_hashing(bool on);

}  // namespace transship::oci
