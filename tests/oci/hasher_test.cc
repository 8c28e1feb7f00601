#include "oci/hasher.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <random>

#include "base/text.h"
#include "oci/sha_blocks.h"

namespace transship::oci {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint64_t kSeed = 20240611;

// The reference: OpenSSL's EVP in one shot.
std::string reference(Algorithm algorithm, Bytes bytes) {
  std::array<std::byte, EVP_MAX_MD_SIZE> out{};
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()), &length,
             algorithm == Algorithm::kSha256 ? EVP_sha256() : EVP_sha512(), nullptr);
  return to_hex(Bytes(out).first(length));
}

std::vector<std::byte> random_bytes(std::size_t size, std::mt19937_64& random) {
  std::vector<std::byte> bytes(size);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// Each test runs on the CPU's own implementation and on OpenSSL's.
class EachImplementation : public testing::TestWithParam<std::tuple<Algorithm, bool>> {
 protected:
  void SetUp() override { force_openssl_hashing(std::get<1>(GetParam())); }
  void TearDown() override { force_openssl_hashing(false); }
  Algorithm algorithm() const { return std::get<0>(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Hash, EachImplementation,
                         testing::Combine(testing::Values(Algorithm::kSha256, Algorithm::kSha512),
                                          testing::Bool()),
                         [](const auto& info) {
                           return std::string(to_string(std::get<0>(info.param))) +
                                  (std::get<1>(info.param) ? "OpenSsl" : "Native");
                         });

TEST_P(EachImplementation, EveryLengthTo300) {
  std::mt19937_64 random(kSeed);
  const auto bytes = random_bytes(300, random);
  for (std::size_t n = 0; n <= bytes.size(); ++n) {
    Hasher hasher(algorithm());
    hasher.update(Bytes(bytes).first(n));
    ASSERT_EQ(hasher.finish().hex(), reference(algorithm(), Bytes(bytes).first(n))) << n;
    EXPECT_EQ(hasher.state().length, n);
  }
}

TEST_P(EachImplementation, RandomSplitsWithStateTakenInBetween) {
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 200; ++round) {
    const auto bytes = random_bytes(random() % 5000, random);
    Hasher hasher(algorithm());
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t n = std::min<std::size_t>(random() % 400, bytes.size() - at);
      hasher.update(Bytes(bytes).subspan(at, n));
      at += n;
      hasher = Hasher(HashState(hasher.state()));
    }
    ASSERT_EQ(hasher.finish().hex(), reference(algorithm(), bytes)) << "round " << round;
  }
}

TEST_P(EachImplementation, FinishLeavesTheHasherAsItWas) {
  Hasher hasher(algorithm());
  hasher.update(bytes_of("abc"));
  EXPECT_EQ(hasher.finish(), hasher.finish());
  hasher.update(bytes_of("def"));
  EXPECT_EQ(hasher.finish().hex(), reference(algorithm(), bytes_of("abcdef")));
}

TEST_P(EachImplementation, TogetherIsTheSameAsAlone) {
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 300; ++round) {
    const std::size_t count = 1 + random() % kMaxTogether;
    std::vector<std::vector<std::byte>> bodies;
    std::vector<Hasher> hashers(count, Hasher(algorithm()));
    std::vector<Hasher*> pointers;
    for (Hasher& hasher : hashers) pointers.push_back(&hasher);
    for (std::size_t i = 0; i < count; ++i) bodies.push_back(random_bytes(random() % 3000, random));
    std::vector<Bytes> left(bodies.begin(), bodies.end());
    while (std::ranges::any_of(left, [](Bytes b) { return !b.empty(); })) {
      std::vector<Bytes> step;
      for (Bytes& body : left) {
        step.push_back(body.first(std::min<std::size_t>(random() % 1000, body.size())));
        body = body.subspan(step.back().size());
      }
      update_together(pointers, step);
    }
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(hashers[i].finish().hex(), reference(algorithm(), bodies[i]))
          << "round " << round << " stream " << i << " of " << count;
    }
  }
}

// FIPS 180-4 examples, and the million of "a".
TEST_P(EachImplementation, NistVectors) {
  const bool sha256 = algorithm() == Algorithm::kSha256;
  EXPECT_EQ(digest_of("abc", algorithm()).hex(),
            sha256 ? "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
                   : "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  EXPECT_EQ(
      digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", algorithm()).hex(),
      sha256 ? "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
             : "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c335"
               "96fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445");
  EXPECT_EQ(digest_of(std::string(1'000'000, 'a'), algorithm()).hex(),
            sha256 ? "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
                   : "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
                     "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b");
}

TEST(Hasher, StateMovesBetweenImplementationsAtAnyOffset) {
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  const auto bytes = random_bytes(777, random);
  for (const Algorithm algorithm : {Algorithm::kSha256, Algorithm::kSha512}) {
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      force_openssl_hashing(cut % 2 == 0);
      Hasher first(algorithm);
      first.update(Bytes(bytes).first(cut));
      force_openssl_hashing(cut % 2 != 0);
      Hasher second(first.state());
      second.update(Bytes(bytes).subspan(cut));
      ASSERT_EQ(second.finish().hex(), reference(algorithm, bytes)) << cut;
    }
  }
  force_openssl_hashing(false);
}

TEST(Hasher, MixedAlgorithmsTogether) {
  Hasher a(Algorithm::kSha256), b(Algorithm::kSha512), c(Algorithm::kSha256);
  const std::array<Hasher*, 3> hashers{&a, &b, &c};
  const std::string x(1000, 'x'), y(300, 'y'), z(70, 'z');
  const std::array<Bytes, 3> bodies{bytes_of(x), bytes_of(y), bytes_of(z)};
  update_together(hashers, bodies);
  EXPECT_EQ(a.finish().hex(), reference(Algorithm::kSha256, bytes_of(x)));
  EXPECT_EQ(b.finish().hex(), reference(Algorithm::kSha512, bytes_of(y)));
  EXPECT_EQ(c.finish().hex(), reference(Algorithm::kSha256, bytes_of(z)));
}

TEST(Hasher, LengthsAbove512MiBFillTheUpperHalfOfTheLengthField) {
  // 2^61 bits and more need the high word of the length: taken by starting in mid-body.
  HashState state = HashState::initial(Algorithm::kSha512);
  state.length = 1ULL << 62U;
  const Digest far = Hasher(state).finish();
  state.length = 0;
  EXPECT_NE(far, Hasher(state).finish());
}

TEST(Hasher, NativeIsUsedWhereTheCpuHasIt) {
  const char* off = std::getenv("TRANSSHIP_NO_SHA_NI");
  const bool turned_off = off != nullptr && std::string_view(off) == "1";
  EXPECT_EQ(sha_ni_in_use(), cpu_has_sha_ni() && !turned_off);
  force_openssl_hashing(true);
  EXPECT_FALSE(sha_ni_in_use());
  force_openssl_hashing(false);
}

}  // namespace
}  // namespace transship::oci
