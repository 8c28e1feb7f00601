#include "oci/sha_blocks.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include <utility>

// A stream is bound by the latency of sha256rnds2, each of which needs the one before; the streams
// of several bodies are independent and fill the gaps. Hence one loop over all lanes, four rounds
// of each in turn. What must stay in registers is what the next round waits for: the state, and the
// newest words of the schedule. The older words live in memory (L1), by hand: left alone, the
// compiler spills states, and three lanes become slower than two.

#define TS_SHA_NI __attribute__((target("sha,sse4.1"), always_inline)) inline

namespace transship::oci {

namespace {

alignas(16) constexpr std::array<std::uint32_t, 64> kRounds = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// The order that sha256rnds2 wants its words in.
struct State {
  __m128i abef;
  __m128i cdgh;
};

// The last sixteen words, four to a slot; `newest` is the slot written last.
struct Schedule {
  __m128i w[4];
};

TS_SHA_NI State load_state(const std::array<std::uint32_t, 8>& words) {
  const __m128i dcba = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words.data()));
  const __m128i hgfe = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words.data() + 4));
  const __m128i cdab = _mm_shuffle_epi32(dcba, 0xB1);
  const __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1B);
  return {_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xF0)};
}

TS_SHA_NI void store_state(const State& state, std::array<std::uint32_t, 8>& words) {
  const __m128i feba = _mm_shuffle_epi32(state.abef, 0x1B);
  const __m128i dchg = _mm_shuffle_epi32(state.cdgh, 0xB1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(words.data()), _mm_blend_epi16(feba, dchg, 0xF0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(words.data() + 4), _mm_alignr_epi8(dchg, feba, 8));
}

// Makes the compiler keep what `memory` points to in memory from here on.
TS_SHA_NI void keep_in_memory(void* memory) { asm volatile("" : : "r"(memory) : "memory"); }

template <std::size_t Group>
TS_SHA_NI void four_rounds(State& state, Schedule& schedule, __m128i& newest,
                           const std::byte* data) {
  constexpr std::size_t kNow = Group % 4;
  if constexpr (Group < 4) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    newest = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data) + Group),
                              big_endian);
  } else {
    // The slot of this group still holds the words of four groups ago.
    const __m128i w7 = _mm_alignr_epi8(newest, schedule.w[(kNow + 2) % 4], 4);
    newest = _mm_sha256msg2_epu32(
        _mm_add_epi32(_mm_sha256msg1_epu32(schedule.w[kNow], schedule.w[(kNow + 1) % 4]), w7),
        newest);
  }
  const __m128i k = _mm_load_si128(reinterpret_cast<const __m128i*>(kRounds.data()) + Group);
  const __m128i wk = _mm_add_epi32(newest, k);
  schedule.w[kNow] = newest;
  state.cdgh = _mm_sha256rnds2_epu32(state.cdgh, state.abef, wk);
  state.abef = _mm_sha256rnds2_epu32(state.abef, state.cdgh, _mm_shuffle_epi32(wk, 0x0E));
}

template <std::size_t Lanes>
struct Lockstep {
  State states[Lanes];
  __m128i newest[Lanes];
};

template <std::size_t Lanes, std::size_t Group>
TS_SHA_NI void four_rounds_of_all(Lockstep<Lanes>& all, Schedule (&schedules)[Lanes],
                                  const std::byte* const (&data)[Lanes]) {
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < Lanes; ++i) {
    four_rounds<Group>(all.states[i], schedules[i], all.newest[i], data[i]);
    if constexpr (Lanes > 1) keep_in_memory(&schedules);
  }
}

template <std::size_t Lanes, std::size_t... Groups>
TS_SHA_NI void block_of_all(Lockstep<Lanes>& all, Schedule (&schedules)[Lanes],
                            const std::byte* const (&data)[Lanes], std::index_sequence<Groups...>) {
  (four_rounds_of_all<Lanes, Groups>(all, schedules, data), ...);
}

template <std::size_t Lanes>
__attribute__((target("sha,sse4.1"))) void run(Sha256Lane* lanes, std::size_t blocks) {
  Lockstep<Lanes> all;
  State before[Lanes];
  Schedule schedules[Lanes];
  const std::byte* data[Lanes];
  for (std::size_t i = 0; i < Lanes; ++i) {
    all.states[i] = load_state(lanes[i].words);
    data[i] = lanes[i].data;
  }
  for (; blocks > 0; --blocks) {
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < Lanes; ++i) before[i] = all.states[i];
    if constexpr (Lanes > 1) keep_in_memory(&before);
    block_of_all<Lanes>(all, schedules, data, std::make_index_sequence<16>());
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < Lanes; ++i) {
      all.states[i].abef = _mm_add_epi32(all.states[i].abef, before[i].abef);
      all.states[i].cdgh = _mm_add_epi32(all.states[i].cdgh, before[i].cdgh);
      data[i] += kSha256Block;
    }
  }
  for (std::size_t i = 0; i < Lanes; ++i) {
    store_state(all.states[i], lanes[i].words);
    lanes[i].data = data[i];
  }
}

}  // namespace

bool cpu_has_sha_ni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (b & (1U << 29U)) == 0) return false;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_SSE4_1) != 0 && (c & bit_SSSE3) != 0;
}

void sha256_ni_blocks(std::span<Sha256Lane> lanes, std::size_t blocks) {
  switch (lanes.size()) {
    case 1:
      return run<1>(lanes.data(), blocks);
    case 2:
      return run<2>(lanes.data(), blocks);
    case 3:
      return run<3>(lanes.data(), blocks);
    default:
      for (Sha256Lane& lane : lanes) run<1>(&lane, blocks);
  }
}

}  // namespace transship::oci

#else

namespace transship::oci {

bool cpu_has_sha_ni() { return false; }

void sha256_ni_blocks(std::span<Sha256Lane> lanes, std::size_t blocks) {
  for (Sha256Lane& lane : lanes) sha256_openssl_blocks(lane, blocks);
}

}  // namespace transship::oci

#endif
