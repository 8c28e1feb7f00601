#include <openssl/sha.h>

#include <algorithm>

#include "oci/sha_blocks.h"

// EVP cannot hand out or take the state of a hash in mid-body, and checkpoints need it: hence the
// low-level calls that OpenSSL 3 deprecates, in this file alone.
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

namespace transship::oci {

void sha256_openssl_blocks(Sha256Lane& lane, std::size_t blocks) {
  SHA256_CTX context;
  SHA256_Init(&context);
  std::ranges::copy(lane.words, context.h);
  SHA256_Update(&context, lane.data, blocks * kSha256Block);
  std::copy_n(context.h, 8, lane.words.begin());
  lane.data += blocks * kSha256Block;
}

void sha512_openssl_blocks(std::array<std::uint64_t, 8>& words, const std::byte* data,
                           std::size_t blocks) {
  SHA512_CTX context;
  SHA512_Init(&context);
  std::ranges::copy(words, context.h);
  SHA512_Update(&context, data, blocks * kSha512Block);
  std::copy_n(context.h, 8, words.begin());
}

}  // namespace transship::oci
