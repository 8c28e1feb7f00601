#include "oci/hasher.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/text.h"
#include "oci/sha_blocks.h"

namespace transship::oci {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::array<std::uint64_t, 8> kSha256Initial = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
constexpr std::array<std::uint64_t, 8> kSha512Initial = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

std::atomic<bool> openssl_forced{false};

std::size_t block_size(Algorithm algorithm) {
  return algorithm == Algorithm::kSha256 ? kSha256Block : kSha512Block;
}

Sha256Lane lane_from(const HashState& state, const std::byte* data) {
  Sha256Lane lane{.words = {}, .data = data};
  std::ranges::transform(state.words, lane.words.begin(),
                         [](std::uint64_t word) { return static_cast<std::uint32_t>(word); });
  return lane;
}

// Whole blocks of one stream; the length is the caller's to keep.
void compress(HashState& state, Bytes blocks) {
  if (blocks.empty()) return;
  if (state.algorithm == Algorithm::kSha512) {
    sha512_openssl_blocks(state.words, blocks.data(), blocks.size() / kSha512Block);
    return;
  }
  Sha256Lane lane = lane_from(state, blocks.data());
  const std::size_t count = blocks.size() / kSha256Block;
  if (sha_ni_in_use()) {
    sha256_ni_blocks({&lane, 1}, count);
  } else {
    sha256_openssl_blocks(lane, count);
  }
  std::ranges::copy(lane.words, state.words.begin());
}

// Completes the tail from the front of `bytes`; returns what is left, at a block's start.
Bytes fill_tail(HashState& state, Bytes bytes) {
  const std::size_t block = block_size(state.algorithm);
  const std::size_t have = state.length % block;
  if (have == 0) return bytes;
  const std::size_t take = std::min(block - have, bytes.size());
  std::ranges::copy(bytes.first(take), state.tail.begin() + static_cast<std::ptrdiff_t>(have));
  state.length += take;
  if (have + take == block) compress(state, Bytes(state.tail).first(block));
  return bytes.subspan(take);
}

void keep_tail(HashState& state, Bytes rest) {
  std::ranges::copy(rest, state.tail.begin());
  state.length += rest.size();
}

void absorb(HashState& state, Bytes bytes) {
  bytes = fill_tail(state, bytes);
  const std::size_t whole =
      bytes.size() / block_size(state.algorithm) * block_size(state.algorithm);
  compress(state, bytes.first(whole));
  state.length += whole;
  keep_tail(state, bytes.subspan(whole));
}

void put_big_endian(std::uint64_t value, std::span<std::byte> out) {
  for (std::size_t i = out.size(); i-- > 0; value >>= 8U) out[i] = static_cast<std::byte>(value);
}

// One stream of a combined update: what is left of it in whole blocks, and where.
struct Part {
  HashState* state;
  Bytes bytes;
  std::size_t blocks() const { return bytes.size() / kSha256Block; }
};

// Advances all parts by the length of the shortest, in one loop.
void advance_in_step(std::span<Part> parts, std::size_t blocks) {
  std::array<Sha256Lane, kMaxTogether> lanes{};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    lanes[i] = lane_from(*parts[i].state, parts[i].bytes.data());
  }
  sha256_ni_blocks({lanes.data(), parts.size()}, blocks);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::ranges::copy(lanes[i].words, parts[i].state->words.begin());
    parts[i].state->length += blocks * kSha256Block;
    parts[i].bytes = parts[i].bytes.subspan(blocks * kSha256Block);
  }
}

}  // namespace

HashState HashState::initial(Algorithm algorithm) {
  HashState state;
  state.algorithm = algorithm;
  state.words = algorithm == Algorithm::kSha256 ? kSha256Initial : kSha512Initial;
  return state;
}

void Hasher::update(Bytes bytes) { absorb(state_, bytes); }

Digest Hasher::finish() const {
  HashState state = state_;
  const std::size_t block = block_size(state.algorithm);
  // 0x80, zeros, and the length in bits, which takes 8 bytes for sha256 and 16 for sha512.
  const std::size_t length_bytes = block / 8;
  std::array<std::byte, 2 * kSha512Block> padding{};
  padding[0] = std::byte{0x80};
  const std::size_t have = state.length % block;
  const std::size_t total = (have + 1 + length_bytes <= block ? block : 2 * block) - have;
  put_big_endian(state_.length >> 61U, std::span(padding).subspan(total - length_bytes, 8));
  put_big_endian(state_.length << 3U, std::span(padding).subspan(total - 8, 8));
  absorb(state, Bytes(padding).first(total));

  const std::size_t word_bytes = block / 16;
  std::array<std::byte, 64> out{};
  for (std::size_t i = 0; i < 8; ++i) {
    put_big_endian(state.words[i], std::span(out).subspan(i * word_bytes, word_bytes));
  }
  return Digest::from_bytes(state.algorithm, std::span(out).first(8 * word_bytes));
}

void update_together(std::span<Hasher* const> hashers, std::span<const Bytes> bodies) {
  assert(hashers.size() == bodies.size() && hashers.size() <= kMaxTogether);
  std::array<Part, kMaxTogether> storage{};
  std::size_t count = 0;
  for (std::size_t i = 0; i < hashers.size(); ++i) {
    HashState& state = hashers[i]->state_;
    if (state.algorithm == Algorithm::kSha256 && sha_ni_in_use()) {
      storage[count++] = {.state = &state, .bytes = fill_tail(state, bodies[i])};
    } else {
      absorb(state, bodies[i]);
    }
  }
  // Longest first: the streams that end drop off at the back.
  std::span<Part> parts(storage.data(), count);
  std::ranges::sort(parts, std::greater(), &Part::blocks);
  while (!parts.empty()) {
    if (const std::size_t blocks = parts.back().blocks(); blocks > 0) {
      advance_in_step(parts, blocks);
    }
    keep_tail(*parts.back().state, parts.back().bytes);
    parts = parts.first(parts.size() - 1);
  }
}

bool sha_ni_in_use() {
  static const bool kUsable = [] {
    // Read once, and nothing here ever writes the environment.
    const char* off = std::getenv("TRANSSHIP_NO_SHA_NI");  // NOLINT(concurrency-mt-unsafe)
    return cpu_has_sha_ni() && (off == nullptr || std::string_view(off) != "1");
  }();
  return kUsable && !openssl_forced.load(std::memory_order_relaxed);
}

void force_openssl_hashing(bool on) { openssl_forced.store(on, std::memory_order_relaxed); }

}  // namespace transship::oci
