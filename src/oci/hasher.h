#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "oci/digest.h"

namespace transship::oci {

/// The whole state of a hash in the middle of a body: what a checkpoint keeps (about 112 bytes for
/// sha256). The format is ours and the same for every implementation: chaining words as integers,
/// bytes hashed so far, and the tail that does not fill a block.
struct HashState {
  Algorithm algorithm = Algorithm::kSha256;
  std::array<std::uint64_t, 8> words{};  ///< sha256 uses the low 32 bits of each.
  std::uint64_t length = 0;              ///< Bytes hashed, the tail included.
  std::array<std::byte, 128> tail{};     ///< length % block size bytes are meaningful.

  static HashState initial(Algorithm algorithm);
};

/// Hashes one body in order. Plain value: copy it to keep a checkpoint.
class Hasher {
 public:
  explicit Hasher(Algorithm algorithm) : state_(HashState::initial(algorithm)) {}
  explicit Hasher(const HashState& state) : state_(state) {}

  void update(std::span<const std::byte> bytes);
  const HashState& state() const { return state_; }
  /// Pads and ends a copy: the hasher may go on.
  Digest finish() const;

 private:
  friend void update_together(std::span<Hasher* const> hashers,
                              std::span<const std::span<const std::byte>> bodies);
  HashState state_;
};

/// Advances several independent hashes, `bodies[i]` into `hashers[i]`, at most `kMaxTogether` at
/// once. SHA-256 streams are interleaved in one loop where the CPU has SHA-NI, as one stream is
/// bound by the latency of its rounds (two run about 1.6, three 1.8 times as fast as one); bodies
/// may differ in length. Elsewhere, and for sha512: one after the other by OpenSSL.
inline constexpr std::size_t kMaxTogether = 3;
void update_together(std::span<Hasher* const> hashers,
                     std::span<const std::span<const std::byte>> bodies);

/// True where SHA-NI is used. `TRANSSHIP_NO_SHA_NI=1` in the environment turns it off (tests).
bool sha_ni_in_use();

}  // namespace transship::oci
