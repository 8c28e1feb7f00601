#include "oci/hash_state_text.h"

#include <gtest/gtest.h>

#include <string>

namespace transship::oci {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

class HashStateText : public ::testing::TestWithParam<Algorithm> {};

TEST_P(HashStateText, AHashGoesOnFromWhatWasPrinted) {
  const std::string body(1000, 'x');
  for (const std::size_t at : {0U, 1U, 63U, 64U, 65U, 127U, 128U, 129U, 999U, 1000U}) {
    SCOPED_TRACE(at);
    Hasher first(GetParam());
    first.update(bytes_of(body).first(at));
    const std::string text = print_hash_state(first.state());
    const auto state = parse_hash_state(text);
    ASSERT_TRUE(state) << state.error().message;
    EXPECT_EQ(print_hash_state(*state), text);
    Hasher second(*state);
    second.update(bytes_of(body).subspan(at));
    EXPECT_EQ(second.finish(), digest_of(body, GetParam()));
  }
}

TEST_P(HashStateText, AnythingElseIsRefused) {
  Hasher hasher(GetParam());
  hasher.update(bytes_of("abc"));
  const std::string good = print_hash_state(hasher.state());
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    EXPECT_FALSE(parse_hash_state(good.substr(0, cut))) << cut;
  }
  EXPECT_FALSE(parse_hash_state(good + "0"));
  EXPECT_FALSE(parse_hash_state(good + "00"));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string other = good;
    other[i] = 'G';
    EXPECT_FALSE(parse_hash_state(other)) << i;
  }
  EXPECT_FALSE(parse_hash_state("md5" + good.substr(good.find(':'))));
}

INSTANTIATE_TEST_SUITE_P(Algorithms, HashStateText,
                         ::testing::Values(Algorithm::kSha256, Algorithm::kSha512),
                         [](const auto& info) { return std::string(to_string(info.param)); });

// The journal of an older program is read by a newer one: this text never changes.
TEST(HashStateTextForm, IsFixed) {
  Hasher hasher(Algorithm::kSha256);
  hasher.update(bytes_of("abc"));
  EXPECT_EQ(print_hash_state(hasher.state()),
            "sha256:6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19"
            "0000000000000003616263");
}

}  // namespace
}  // namespace transship::oci
