#include "transport/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace transship::transport {
namespace {

TEST(Url, ParsesItsParts) {
  const auto url = Url::parse("HTTPS://Hub.Example.COM:5000/v2/a%2fb?x=1&y=%20#part");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "hub.example.com");
  EXPECT_EQ(url->port, 5000);
  EXPECT_EQ(url->target, "/v2/a%2fb?x=1&y=%20");
  EXPECT_EQ(url->path(), "/v2/a%2fb");
  EXPECT_EQ(url->query(), "x=1&y=%20");
  EXPECT_EQ(url->authority(), "hub.example.com:5000");
  EXPECT_EQ(url->to_string(), "https://hub.example.com:5000/v2/a%2fb?x=1&y=%20");
}

TEST(Url, OneSpellingPerOrigin) {
  const Url a = Url::parse("https://example.com").value();
  EXPECT_EQ(a.target, "/");
  EXPECT_EQ(a.authority(), "example.com");
  EXPECT_TRUE(a.same_origin(Url::parse("https://EXAMPLE.com:443/x").value()));
  EXPECT_TRUE(a.same_origin(Url::parse("https://example.com.:443/x").value()));
  EXPECT_FALSE(a.same_origin(Url::parse("http://example.com:443/x").value()));
  EXPECT_FALSE(a.same_origin(Url::parse("https://example.com:444/").value()));
  EXPECT_FALSE(a.same_origin(Url::parse("https://www.example.com/").value()));
}

TEST(Url, TakesAddresses) {
  EXPECT_EQ(Url::parse("http://[::1]:5000/v2/").value().host, "[::1]");
  EXPECT_EQ(Url::parse("http://[::1]:5000/v2/").value().port, 5000);
  EXPECT_EQ(Url::parse("http://[FE80::1]").value().authority(), "[fe80::1]");
  EXPECT_EQ(Url::parse("http://127.0.0.1:80/").value().authority(), "127.0.0.1");
}

TEST(Url, EscapesWhatCannotStandInARequestLine) {
  EXPECT_EQ(Url::parse("http://h/a b/\xC3\xA4?q= ").value().target, "/a%20b/%C3%A4?q=%20");
  EXPECT_EQ(Url::parse("http://h?q=1").value().target, "/?q=1");
}

TEST(Url, Refuses) {
  for (const char* text : {"",
                           "example.com",
                           "/path",
                           "ftp://h/",
                           "file:///etc/passwd",
                           "http:/h",
                           "http://",
                           "http://:80/",
                           "http://user@h/",
                           "http://user:pw@h/",
                           "http://h:0/",
                           "http://h:65536/",
                           "http://h:x/",
                           "http://h:-1/",
                           "http://[::1/",
                           "http://::1/",
                           "http://[zz::1]/",
                           "http://[fe80::1%25eth0]/",
                           "http://h%41/",
                           "http://b\xC3\xBC"
                           "cher/",
                           "http://a..b/",
                           "http://a../",
                           "http://./",
                           "http://h/\r\nX: y",
                           "http://h/\x7f",
                           "http://h\\evil/",
                           "http:///x"}) {
    EXPECT_FALSE(Url::parse(text)) << text;
  }
  EXPECT_FALSE(Url::parse(std::string_view("https://[::\0 evil]/", 19)));
}

TEST(Url, ErrorsHideSecrets) {
  const auto url = Url::parse("https://user:hunter2@h/x");
  ASSERT_FALSE(url);
  EXPECT_THAT(url.error().message, ::testing::Not(::testing::HasSubstr("hunter2")));
}

TEST(Url, ResolvesReferences) {
  const Url base = Url::parse("http://a/b/c/d;p?q").value();
  const std::pair<const char*, const char*> cases[] = {
      // RFC 3986, 5.4, as far as it is about http.
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g/"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q"},
      {"g#s", "http://a/b/c/g"},
      {"g?y#s", "http://a/b/c/g?y"},
      {";x", "http://a/b/c/;x"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"./", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../..", "http://a/"},
      {"../../g", "http://a/g"},
      {"../../../g", "http://a/g"},
      {"../../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."},
      {".g", "http://a/b/c/.g"},
      {"g..", "http://a/b/c/g.."},
      {"..g", "http://a/b/c/..g"},
      {"./../g", "http://a/b/g"},
      {"./g/.", "http://a/b/c/g/"},
      {"g/./h", "http://a/b/c/g/h"},
      {"g/../h", "http://a/b/c/h"},
      {"g;x=1/../y", "http://a/b/c/y"},
      {"g?y/../x", "http://a/b/c/g?y/../x"},
      {"https://other/x?sig=a%2Fb", "https://other/x?sig=a%2Fb"},
      {"/v2/x/blobs/uploads/u?_state=a%2Bb==", "http://a/v2/x/blobs/uploads/u?_state=a%2Bb=="},
  };
  for (const auto& [reference, expected] : cases) {
    const auto url = base.resolve(reference);
    ASSERT_TRUE(url) << reference;
    EXPECT_EQ(url->to_string(), expected) << reference;
  }
  EXPECT_FALSE(base.resolve("mailto:x"));
  EXPECT_FALSE(base.resolve("file:///x"));
  EXPECT_FALSE(base.resolve("//user@g"));
}

TEST(Url, AppendsQueries) {
  Url url = Url::parse("http://h/u").value();
  url.append_query("digest", "sha256:ab");
  EXPECT_EQ(url.target, "/u?digest=sha256%3Aab");
  url.append_query("a", "b c&d");
  EXPECT_EQ(url.target, "/u?digest=sha256%3Aab&a=b%20c%26d");
  url = Url::parse("http://h/u?_state=x%2By==&").value();
  url.append_query("n", "1");
  EXPECT_EQ(url.target, "/u?_state=x%2By==&n=1");
  url = Url::parse("http://h/u?").value();
  url.append_query("n", "1");
  EXPECT_EQ(url.target, "/u?n=1");
}

}  // namespace
}  // namespace transship::transport
