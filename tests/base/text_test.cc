#include "base/text.h"

#include <gtest/gtest.h>

namespace transship {
namespace {

TEST(Hex, LowerCase) {
  const std::array<std::byte, 3> bytes{std::byte{0}, std::byte{0xAB}, std::byte{0x7F}};
  EXPECT_EQ(to_hex(bytes), "00ab7f");
  EXPECT_EQ(to_hex({}), "");
}

TEST(Ascii, LowerEqualTrimSplit) {
  EXPECT_EQ(to_lower("AbC-Ü"), "abc-Ü");
  EXPECT_TRUE(iequals("Bearer", "bEARER"));
  EXPECT_FALSE(iequals("Bearer", "Bearer "));
  EXPECT_EQ(trim(" \t x y \r\n"), "x y");
  EXPECT_EQ(trim(" \n"), "");
  const std::vector<std::string_view> parts = {"", "a", "", "b", ""};
  EXPECT_EQ(split("/a//b/", '/'), parts);
  EXPECT_EQ(split("", ',').size(), 1U);
}

TEST(ParseU64, TheWholeTextOrNothing) {
  EXPECT_EQ(parse_u64("0"), 0U);
  EXPECT_EQ(parse_u64("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_u64("007"), 7U);
  for (const std::string_view text :
       {"", " 1", "1 ", "+1", "-1", "1.0", "1e3", "0x1", "18446744073709551616", "a", "1a"}) {
    EXPECT_EQ(parse_u64(text), std::nullopt) << text;
  }
}

TEST(Printable, WhatDrivesATerminalIsReplaced) {
  EXPECT_EQ(printable("plain ü 漢 😀"), "plain ü 漢 😀");
  EXPECT_EQ(printable("a\x1b[31mb\n\r\tc\x7f"), "a?[31mb???c?");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a?b");
  EXPECT_EQ(printable("\xc2\x9b"), "?") << "C1: CSI";
  EXPECT_EQ(printable("a\u202Eb\u2066c\u2028d"), "a?b?c?d");
}

TEST(Printable, InvalidUtf8IsReplaced) {
  EXPECT_EQ(printable("\xff"), "?");
  EXPECT_EQ(printable("a\xc3"), "a?") << "cut";
  EXPECT_EQ(printable("\xc0\xaf"), "??") << "overlong";
  EXPECT_EQ(printable("\xed\xa0\x80"), "???") << "surrogate";
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "????") << "above U+10FFFF";
}

TEST(Printable, LongTextIsCutBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("aüü", 4), "aü...");
}

struct Secret {
  std::string text, shown;
};

class Redact : public testing::TestWithParam<Secret> {};

TEST_P(Redact, HidesSecretsAndNothingElse) { EXPECT_EQ(redact(GetParam().text), GetParam().shown); }

INSTANTIATE_TEST_SUITE_P(
    Texts, Redact,
    testing::Values(
        Secret{"GET https://u:p@h.io/v2/a", "GET https://***@h.io/v2/a"},
        Secret{"https://h.io/v2/a/tags/list?n=5&last=x", "https://h.io/v2/a/tags/list?n=5&last=x"},
        Secret{"PUT /up?digest=sha256:ab&_state=s3cr3t", "PUT /up?digest=sha256:ab&_state=***"},
        Secret{"https://s3/x?X-Amz-Signature=abc&X-Amz-Expires=9#f",
               "https://s3/x?X-Amz-Signature=***&X-Amz-Expires=***#f"},
        Secret{"Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer ***"},
        Secret{"authorization: basic dXNlcjpwYXNz", "authorization: Basic ***"},
        Secret{"Bearer realm=\"https://auth.io/token\",service=\"x\"",
               "Bearer realm=\"https://auth.io/token\",service=\"x\""},
        Secret{"token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln end", "token *** end"},
        Secret{"is it so? yes = no", "is it so? yes = no"},
        Secret{"sha256:ab12cd", "sha256:ab12cd"}, Secret{"", ""}));

TEST(Redact, TwiceIsTheSameAsOnce) {
  for (const std::string_view text :
       {"https://u:p@h.io/x?a=b&n=1", "Bearer abcdefghijkl", "Basic dXNlcjpwYXNz"}) {
    EXPECT_EQ(redact(redact(text)), redact(text));
  }
}

TEST(Redact, ManySecretsInOneLine) {
  const std::string shown =
      redact("https://a:pw1@x/?k=pw2 -> http://b:pw3@y/?t=pw4&n=1 Basic cHc1cHc1");
  for (const std::string_view secret : {"pw1", "pw2", "pw3", "pw4", "cHc1"}) {
    EXPECT_EQ(shown.find(secret), std::string::npos) << shown;
  }
  EXPECT_NE(shown.find("n=1"), std::string::npos);
}

TEST(Percent, RoundTripAndBrokenEscapes) {
  EXPECT_EQ(percent_encode("a/b c+ü~.-_"), "a%2Fb%20c%2B%C3%BC~.-_");
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_decode("a%2fb%2F"), "a/b/");
  for (const std::string_view text : {"%", "%4", "a%zz", "%%41", "%4g"}) {
    EXPECT_EQ(percent_decode(text), std::nullopt) << text;
  }
  EXPECT_EQ(percent_decode("%41"), "A") << "an escape at the very end";
}

TEST(Base64, RoundTripOfEveryLength) {
  std::string bytes;
  for (int i = 0; i < 70; ++i) {
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
    bytes += static_cast<char>(i * 37);
  }
  EXPECT_EQ(base64_encode("{}"), "e30=");
  EXPECT_EQ(base64_encode("a"), "YQ==");
}

TEST(Base64, BothAlphabetsAndOptionalPadding) {
  EXPECT_EQ(base64_decode("-_-_"), base64_decode("+/+/"));
  EXPECT_EQ(base64_decode("YQ"), "a");
  EXPECT_EQ(base64_decode(""), "");
  for (const std::string_view text : {"A", "YQ=a", "Y Q=", "YWJj!", "AAAAA", "=YQ="}) {
    EXPECT_EQ(base64_decode(text), std::nullopt) << text;
  }
}

TEST(HumanBytes, Units) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(std::uint64_t{3} << 30U), "3.0 GiB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "16777216.0 TiB");
}

TEST(ValidUtf8, KeepsWhatIsAndReplacesWhatIsNot) {
  EXPECT_EQ(valid_utf8("caf\xC3\xA9 \xF0\x9F\x90\xB3"), "caf\xC3\xA9 \xF0\x9F\x90\xB3");
  EXPECT_EQ(valid_utf8("caf\xE9"), "caf\uFFFD");
  EXPECT_EQ(valid_utf8("\xC0\xAFx\xED\xA0\x80"), "\uFFFD\uFFFDx\uFFFD\uFFFD\uFFFD");
}

}  // namespace
}  // namespace transship
