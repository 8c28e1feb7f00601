// Remote text in the terminal and the log: no escape sequence, no line of its own.
#include <gmock/gmock.h>

#include "e2e/sync_rig.h"

namespace transship::e2e {
namespace {

// As a hostile registry sends them: in a header, in plain text, and as JSON writes them.
const std::string kRaw = "\x1b[31mEVIL\x07";
const std::string kText = kRaw + "\nINJECTED\r\nINJECTED \xc2\x9b";
const std::string kJson = R"(\u001b[31mEVIL\nINJECTED\r\u009b2J\u0007)";

class HarmlessOutput : public SyncRig {
 protected:
  static void expect_harmless(const Outcome& outcome, const std::string& what) {
    SCOPED_TRACE(what);
    const std::string all = outcome.out + "\n" + outcome.err;
    for (const char c : {'\x1b', '\r', '\x07'}) {
      EXPECT_EQ(all.find(c), std::string::npos) << shown(outcome);
    }
    EXPECT_EQ(all.find("\xc2\x9b"), std::string::npos) << shown(outcome);  // CSI as one character.
    EXPECT_EQ(all.find("\nINJECTED"), std::string::npos) << shown(outcome);
  }
};

TEST_F(HarmlessOutput, ErrorsOfRegistriesAreOneLineOfPlainText) {
  const std::string json = "Content-Type: application/json\r\n";
  const std::vector<std::pair<std::string, std::string>> answers = {
      {"an error's message",
       BadRegistry::answer("403 Forbidden", json,
                           R"({"errors":[{"code":"DENIED","message":")" + kJson + R"("}]})")},
      {"an error's code",
       BadRegistry::answer("400 Bad Request", json,
                           R"({"errors":[{"code":")" + kJson + R"(","message":"m"}]})")},
      {"plain text", BadRegistry::answer("400 Bad Request", "Content-Type: text/plain\r\n", kText)},
      {"a content type",
       BadRegistry::answer("418 Teapot", "Content-Type: a/" + kRaw + "\r\n", "x")},
      {"a redirect",
       BadRegistry::answer("307 Temporary Redirect", "Location: http://" + kRaw + "/\r\n", "")},
      {"a challenge",
       BadRegistry::answer("401 Unauthorized",
                           "WWW-Authenticate: Bearer realm=\"http://x/" + kRaw + "\"\r\n", "")},
      {"a warning",
       BadRegistry::answer("404 Not Found", "Warning: 299 - \"" + kRaw + "\"\r\n" + json,
                           R"({"errors":[{"code":"NAME_UNKNOWN"}]})")}};
  Served source, eu;
  push_image(source, "app", "v1", 1);
  for (const auto& [what, bytes] : answers) {
    AnsweringProxy evil(source.port(), [&](const Asked& asked) -> std::optional<std::string> {
      if (!asked.is("GET", "/manifests/") && !asked.is("HEAD", "/manifests/")) return std::nullopt;
      return bytes;
    });
    const std::string file = job(evil.host(), {eu.host()});
    const Pass done = pass(file, {"-v", "-v"});
    EXPECT_EQ(done.outcome.code, 1) << what << shown(done.outcome);
    expect_harmless(done.outcome, what);
  }
}

TEST_F(HarmlessOutput, ListsOfNamesAreOneLineOfPlainText) {
  Served source, eu;
  push_image(source, "app", "v1", 1);
  AnsweringProxy evil(source.port(), [](const Asked& asked) -> std::optional<std::string> {
    if (asked.path().ends_with("/tags/list")) {
      return BadRegistry::answer("200 OK", "Content-Type: application/json\r\n",
                                 R"({"name":"app","tags":["v1",")" + kJson + R"("]})");
    }
    if (asked.path().ends_with("/_catalog")) {
      return BadRegistry::answer("200 OK", "Content-Type: application/json\r\n",
                                 R"({"repositories":["app",")" + kJson + R"("]})");
    }
    return std::nullopt;
  });
  const Pass done = pass(job(evil.host(), {eu.host()}), {"-v"});
  EXPECT_DONE(done.outcome);
  expect_harmless(done.outcome, "lists");
  EXPECT_EQ(lacking(eu, "app", "v1", 1), "");
}

TEST_F(HarmlessOutput, WhatManifestsSayOfThemselvesIsPlainText) {
  const std::string manifest =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
      R"("artifactType":"application/x)" +
      kJson + R"(","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":")" +
      test::sha256_of("{}") + R"(","size":2},"layers":[{"mediaType":"a/)" + kJson +
      R"(","digest":")" + test::sha256_of("{}") +
      R"(","size":2,"annotations":{"org.opencontainers.)"
      R"(image.title":")" +
      kJson + R"("}}],"annotations":{"title":")" + kJson + R"("}})";
  Served source;
  AnsweringProxy evil(source.port(), [&](const Asked& asked) -> std::optional<std::string> {
    if (asked.path().find("/manifests/v1") == std::string::npos) return std::nullopt;
    return BadRegistry::answer("200 OK",
                               "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"
                               "Docker-Content-Digest: " +
                                   test::sha256_of(manifest) + "\r\n",
                               manifest);
  });
  for (const std::string command : {"inspect", "tree"}) {
    expect_harmless(transship({command, evil.host() + "/app:v1"}, home_), command);
  }
}

}  // namespace
}  // namespace transship::e2e
