// Odd but lawful answers of registries: the copy succeeds, byte for byte.
#include <gmock/gmock.h>

#include <atomic>

#include "e2e/bad_registry.h"
#include "e2e/harness.h"

namespace transship::e2e {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using Answer = std::optional<std::string>;

constexpr std::string_view kImageType = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";

Outcome copy(const BadRegistry& source, const BadRegistry& target, const Home& home = {},
             std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"copy",
                                        source.host() + "/app:1.0",
                                        target.host() + "/app:1.0",
                                        "--plain-http",
                                        source.host(),
                                        "--plain-http",
                                        target.host()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return transship(arguments, home);
}

// A fault of `kind` requests ("/manifests/", "/blobs/") alone.
BadRegistry::Fault at(std::string part, std::function<Answer(const Asked&)> answer) {
  return [=](const Asked& a) -> Answer {
    return a.path().find(part) == std::string::npos ? std::nullopt : answer(a);
  };
}

struct Case {
  std::string name;
  BadRegistry::Fault source, target;
};

void PrintTo(const Case& value, std::ostream* out) { *out << value.name; }

BadRegistry::Fault manifest_with(std::string fields) {
  return at("/manifests/", [=](const Asked&) -> Answer {
    return BadRegistry::answer("200 OK", fields, test::make_image({}).manifests.back().bytes);
  });
}

// A session whose Location is `make(path)`.
BadRegistry::Fault located(std::function<std::string(const Asked&)> make) {
  return [=](const Asked& a) -> Answer {
    if (!a.is("POST", "/blobs/uploads/")) return std::nullopt;
    return BadRegistry::answer("202 Accepted", "Location: " + make(a) + "\r\n");
  };
}

// Answers once with `bytes`, then behaves.
BadRegistry::Fault once(std::string part, std::string bytes) {
  auto done = std::make_shared<std::atomic<bool>>(false);
  return at(std::move(part), [=](const Asked& a) -> Answer {
    if (a.method != "GET" || done->exchange(true)) return std::nullopt;
    return bytes;
  });
}

std::string host_of(const Asked& asked) {
  const auto at = asked.head.find("Host: ") + 6;
  return asked.head.substr(at, asked.head.find("\r\n", at) - at);
}

std::vector<Case> cases() {
  return {
      {"NoContentType", manifest_with(""), {}},
      {"TextPlain", manifest_with("Content-Type: text/plain; charset=utf-8\r\n"), {}},
      {"TypeInUpperCaseWithCharset",
       manifest_with("Content-Type: Application/Vnd.OCI.Image.Manifest.V1+JSON; charset=utf-8\r\n"),
       {}},
      {"NoDigestHeader", manifest_with("Content-Type: " + std::string(kImageType) + "\r\n"), {}},
      {"DigestHeaderOfNoUse",
       manifest_with("Content-Type: " + std::string(kImageType) +
                     "\r\nDocker-Content-Digest: nonsense\r\n"),
       {}},
      {"LabelledGzipThoughItIsNot",
       manifest_with("Content-Encoding: gzip\r\nContent-Type: " + std::string(kImageType) + "\r\n"),
       {}},
      {"TwoChallenges",
       [](const Asked& a) -> Answer {
         if (a.path() == "/token") return BadRegistry::answer("200 OK", "", R"({"token":"good"})");
         if (a.has("Authorization: Bearer good")) return std::nullopt;
         return BadRegistry::answer("401 Unauthorized",
                                    "WWW-Authenticate: Basic realm=\"x\"\r\n"
                                    "WWW-Authenticate: Bearer realm=\"http://" +
                                        host_of(a) + "/token\",service=\"s\"\r\n");
       },
       {}},
      {"RateLimitedOnce",
       once("/manifests/", BadRegistry::answer("429 Too Many", "Retry-After: 1\r\n")),
       {}},
      {"UnavailableOnce", once("/blobs/", BadRegistry::answer("503 Later", "")), {}},
      {"OneBlobCutShortOnce",
       once("/blobs/", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nshort"),
       {}},
      {"LocationRelative", {}, located([](const Asked&) { return "one"; })},
      {"LocationAbsolute", {}, located([](const Asked& a) {
         return "http://" + host_of(a) + "/v2/app/blobs/uploads/one";
       })},
      {"LocationWithItsOwnQuery", {}, [](const Asked& a) -> Answer {
         if (a.is("POST", "/blobs/uploads/")) {
           return BadRegistry::answer("202 Accepted",
                                      "Location: /v2/app/blobs/uploads/one?_state=a%2Fb%3D&x=\r\n");
         }
         if (a.is("PUT", "/blobs/uploads/") && a.query().find("_state=a%2Fb%3D&x=&") != 0) {
           return BadRegistry::error("400 Bad Request", "BLOB_UPLOAD_INVALID", a.query());
         }
         return std::nullopt;
       }}};
}

class OddAnswers : public ::testing::TestWithParam<Case> {};

TEST_P(OddAnswers, AreUnderstood) {
  const TestContent image = test::make_image({});
  BadRegistry source(image, GetParam().source);
  BadRegistry target({}, GetParam().target);
  const Outcome outcome = copy(source, target);
  EXPECT_DONE(outcome);
  EXPECT_THAT(target.put_manifests(), Contains("1.0"));
  EXPECT_EQ(target.put_blobs().size(), image.blobs.size());
  EXPECT_THAT(target.wrong_blobs(), ::testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(BadInput, OddAnswers, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

// Two artifacts each listed as a referrer of the other: no digests can say so, but an answer can.
TEST(OddGraphs, ReferrersInACircleEnd) {
  TestContent image = test::make_image({});
  const TestContent sbom = test::make_referrer(image.manifests.back(), "a/sbom", "sbom");
  image.add(sbom);
  const auto listed = [](const test::TestManifest& m) {
    return R"({"schemaVersion":2,"mediaType":")" + std::string(kIndexType) +
           R"(","manifests":[{"mediaType":")" + m.media_type + R"(","digest":")" + m.digest +
           R"(","size":)" + std::to_string(m.bytes.size()) + "}]}";
  };
  const auto root = image.manifest("1.0"), evidence = sbom.manifests.back();
  BadRegistry source(image, at("/referrers/", [=](const Asked& a) -> Answer {
                       const bool of_root = a.path().ends_with(root.digest);
                       return BadRegistry::answer(
                           "200 OK", "Content-Type: " + std::string(kIndexType) + "\r\n",
                           listed(of_root ? evidence : root));
                     }));
  BadRegistry target;
  const Outcome outcome = copy(source, target);
  EXPECT_DONE(outcome);
  EXPECT_THAT(target.put_manifests(), Contains(evidence.digest));
  EXPECT_THAT(target.put_manifests(), Contains("1.0"));
}

TEST(OddGraphs, IndexesNestedWithoutEndAreRefused) {
  TestContent content = test::make_image({});
  for (int depth = 0; depth < 70; ++depth) {
    auto& below = content.manifests.back();
    below.tag.clear();
    const std::string bytes = R"({"schemaVersion":2,"mediaType":")" + std::string(kIndexType) +
                              R"(","manifests":[{"mediaType":")" + below.media_type +
                              R"(","digest":")" + below.digest + R"(","size":)" +
                              std::to_string(below.bytes.size()) + "}]}";
    content.manifests.push_back({.media_type = std::string(kIndexType),
                                 .bytes = bytes,
                                 .digest = test::sha256_of(bytes),
                                 .tag = "1.0"});
  }
  BadRegistry source(content);
  BadRegistry target;
  const Outcome outcome = copy(source, target);
  EXPECT_EQ(outcome.code, 1) << shown(outcome);
  EXPECT_THAT(outcome.err, HasSubstr("64"));
  EXPECT_THAT(target.put_manifests(), Not(Contains("1.0")));
}

// An upload Location on another host gets the bytes, and nothing that proves who sends them.
TEST(OddLocations, ElsewhereGetsNoCredentials) {
  BadRegistry storage;
  BadRegistry source(test::make_image({}));
  BadRegistry target({}, [&](const Asked& a) -> Answer {
    if (!a.has("Authorization: Basic")) {
      return BadRegistry::answer("401 U", "WWW-Authenticate: Basic realm=\"r\"\r\n");
    }
    if (!a.is("POST", "/blobs/uploads/")) return std::nullopt;
    return BadRegistry::answer(
        "202 Accepted", "Location: " + storage.url("/v2/x/blobs/uploads/1?sig=canary") + "\r\n");
  });
  const Home home;
  home.store_login(target.host(), "robot", "canarypassword");
  const Outcome outcome = copy(source, target, home, {"--plain-http", storage.host(), "-v", "-v"});
  EXPECT_DONE(outcome);
  EXPECT_FALSE(storage.put_blobs().empty());
  for (const Asked& asked : storage.asked()) EXPECT_FALSE(asked.has("Authorization")) << asked.head;
  EXPECT_THAT(shown(outcome), Not(HasSubstr("canary")));
}

// A registry behind a proxy that does not know under which name it is reached.
TEST(OddLocations, ANameOfTheRegistrysOwnNetworkIsExplained) {
  BadRegistry source(test::make_image({}));
  BadRegistry target({}, at("/blobs/uploads/", [](const Asked&) -> Answer {
                       return BadRegistry::answer(
                           "202 Accepted", "Location: http://registry.invalid:5000/v2/x/1\r\n");
                     }));
  const Outcome outcome = copy(source, target, Home(), {"--plain-http", "registry.invalid:5000"});
  EXPECT_EQ(outcome.code, 1) << shown(outcome);
  EXPECT_THAT(outcome.err, HasSubstr("registry.invalid"));
  EXPECT_THAT(outcome.err, HasSubstr(target.host() + " names this address for its uploads"));
}

// Where the target has the tag, the source is only asked by HEAD, whose answer says no reason.
TEST(BadSources, WhatIsMissingIsToldApartByHeadToo) {
  for (const std::string code : {"NAME_UNKNOWN", "MANIFEST_UNKNOWN"}) {
    BadRegistry source({}, at("/manifests/", [=](const Asked&) -> Answer {
                         return BadRegistry::error("404 Not Found", code);
                       }));
    BadRegistry target(test::make_image({}));
    const Outcome outcome = copy(source, target);
    EXPECT_EQ(outcome.code, 1) << shown(outcome);
    EXPECT_THAT(outcome.err, HasSubstr(code));
  }
}

struct Refusal {
  std::string name;
  BadRegistry::Fault target;
  std::vector<std::string> says;
};

void PrintTo(const Refusal& value, std::ostream* out) { *out << value.name; }

std::vector<Refusal> refusals() {
  const auto put = [](std::string part, std::string bytes) -> BadRegistry::Fault {
    return at(std::move(part), [=](const Asked& a) -> Answer {
      if (a.method != "PUT") return std::nullopt;
      return bytes;
    });
  };
  const auto post = [](std::string bytes) -> BadRegistry::Fault {
    return at("/blobs/uploads/", [=](const Asked& a) -> Answer {
      if (a.method != "POST") return std::nullopt;
      return bytes;
    });
  };
  return {
      {"ManifestRejectedAfterItsBlobs",
       put("/manifests/", BadRegistry::error("400 Bad Request", "MANIFEST_INVALID", "house rule")),
       {"400 MANIFEST_INVALID: house rule", "manifest 1.0"}},
      {"PushDenied",
       post(BadRegistry::error("403 Forbidden", "DENIED", "no")),
       {"403 DENIED", "transship login"}},
      {"BlobTooLarge",
       put("/blobs/uploads/", BadRegistry::answer("413 Too Large", "")),
       {"413", "blob sha256:"}},
      {"AnotherDigestStored",
       put("/manifests/", BadRegistry::answer("201 Created", "Docker-Content-Digest: sha256:" +
                                                                 std::string(64, 'b') + "\r\n")),
       {"other bytes", "sha256:bbbb"}},
      {"NoLocation", post(BadRegistry::answer("202 Accepted", "")), {"Location"}},
      {"LocationIsAFile",
       post(BadRegistry::answer("202 Accepted", "Location: file:///etc/cron.d/x\r\n")),
       {"file:"}},
      {"LocationOverPlainHttpElsewhere",
       post(BadRegistry::answer("202 Accepted", "Location: gopher://192.0.2.1/x\r\n")),
       {"gopher:"}},
  };
}

class BadTarget : public ::testing::TestWithParam<Refusal> {};

TEST_P(BadTarget, IsNamedAndNoTagMoves) {
  BadRegistry source(test::make_image({}));
  BadRegistry target({}, GetParam().target);
  const Outcome outcome = copy(source, target);
  EXPECT_EQ(outcome.code, 1) << shown(outcome);
  for (const auto& text : GetParam().says) EXPECT_THAT(outcome.err, HasSubstr(text));
  EXPECT_THAT(outcome.err, HasSubstr(target.host()));
  EXPECT_THAT(target.put_manifests(), ::testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(BadInput, BadTarget, ::testing::ValuesIn(refusals()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace transship::e2e
