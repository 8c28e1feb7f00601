#include "oci/digest.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace transship::oci {
namespace {

constexpr std::string_view kEmpty256 =
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view kEmpty512 =
    "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";

TEST(Digest, ParsesBothAlgorithmsAndPrintsThemBack) {
  for (const std::string_view text : {kEmpty256, kEmpty512}) {
    const auto digest = Digest::parse(text);
    ASSERT_TRUE(digest) << digest.error().message;
    EXPECT_EQ(digest->to_string(), text);
  }
  EXPECT_EQ(Digest::parse(kEmpty256)->algorithm(), Algorithm::kSha256);
  EXPECT_EQ(Digest::parse(kEmpty512)->algorithm(), Algorithm::kSha512);
  EXPECT_EQ(Digest::parse(kEmpty256)->short_string(), "sha256:e3b0c44298fc");
}

TEST(Digest, RefusesWhatIsNoDigest) {
  const std::string hex64(64, 'a');
  for (const std::string& text : std::vector<std::string>{
           "", ":", "sha256", "sha256:", "sha256:" + hex64.substr(1), "sha256:" + hex64 + "a",
           "sha256:" + std::string(64, 'A'), "sha256:" + std::string(64, 'g'), "SHA256:" + hex64,
           "sha256:../../../../etc/passwd", "sha256:" + hex64 + "/x", ":" + hex64,
           "sha256 :" + hex64, "+sha256:" + hex64, "sha256+:" + hex64, "sha256::" + hex64,
           "sha512:" + hex64, hex64, std::string("sha256:\0", 8) + hex64}) {
    const auto digest = Digest::parse(text);
    ASSERT_FALSE(digest) << text;
    EXPECT_EQ(digest.error().code, Errc::kMalformed) << text;
  }
}

TEST(Digest, OtherAlgorithmsAreUnsupportedAndNamed) {
  for (const std::string_view text : {"md5:d41d8cd98f00b204e9800998ecf8427e", "sha384:ab",
                                      "multihash+base58:QmRZxt2b1FVZPN", "blake3:aaaa"}) {
    const auto digest = Digest::parse(text);
    ASSERT_FALSE(digest);
    EXPECT_EQ(digest.error().code, Errc::kUnsupported) << text;
    const std::string algorithm(text.substr(0, text.find(':')));
    EXPECT_NE(digest.error().message.find(algorithm), std::string::npos);
    EXPECT_NE(digest.error().hint, "");
  }
}

TEST(Digest, MessagesAreSafeToPrint) {
  const auto digest = Digest::parse("sha256:\x1b[31m\n");
  ASSERT_FALSE(digest);
  EXPECT_EQ(digest.error().message.find('\x1b'), std::string::npos);
  EXPECT_EQ(digest.error().message.find('\n'), std::string::npos);
}

TEST(Digest, KnownContent) {
  EXPECT_EQ(digest_of("").to_string(), kEmpty256);
  EXPECT_EQ(digest_of("", Algorithm::kSha512).to_string(), kEmpty512);
  EXPECT_EQ(digest_of("{}").to_string(),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}

TEST(Digest, OrdersAndHashes) {
  const Digest a = digest_of("a"), b = digest_of("b"), c = digest_of("a", Algorithm::kSha512);
  EXPECT_NE(a, b);
  EXPECT_NE(a, c);
  EXPECT_EQ(a, digest_of("a"));
  const std::unordered_set<Digest> set{a, b, c, digest_of("b")};
  EXPECT_EQ(set.size(), 3U);
  EXPECT_TRUE(Digest().empty());
  EXPECT_EQ(Digest().to_string(), "");
}

}  // namespace
}  // namespace transship::oci
