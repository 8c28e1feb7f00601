#include "config/credential_file.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <map>

#include "base/text.h"

namespace transship::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

CredentialFile parse(std::string_view text, std::string name = "config.json") {
  auto file = parse_credential_file(text, std::move(name));
  EXPECT_TRUE(file.has_value()) << (file ? "" : file.error().describe());
  return file.value_or(CredentialFile{});
}

std::string auth(std::string_view pair) { return R"({"auth":")" + base64_encode(pair) + "\"}"; }

TEST(CredentialFile, NormalisesKeys) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://index.docker.io/v1/", "docker.io"},
      {"https://index.docker.io/v1", "docker.io"},
      {"registry-1.docker.io", "docker.io"},
      {"docker.io", "docker.io"},
      {"https://Reg.Example.com", "reg.example.com"},
      {"http://reg.example.com:5000/v2/", "reg.example.com:5000"},
      {"reg.example.com/v1/", "reg.example.com"},
      {"reg.example.com/", "reg.example.com"},
      {"quay.io/org/repo", "quay.io/org/repo"},
      {"https://quay.io/org/repo", "quay.io"}};
  for (const auto& [key, normal] : cases) EXPECT_EQ(normalise_key(key), normal) << key;
}

TEST(CredentialFile, ReadsEveryKindOfEntry) {
  const auto file = parse(R"({"auths":{"https://index.docker.io/v1/":)" + auth("user:pa:ss") +
                          R"(,"a":{"auth":"","identitytoken":"id"},"b":{"registrytoken":"rt"},
      "c":{"username":"u","password":"p"},"d":{},"e":{"username":"<token>","password":"id2"},
      "f":)" + auth(std::string_view("u:p\0\0", 5)) +
                          "}}");
  const auto find = [&](std::string_view host) { return find_credential(file, host, "").entry; };
  EXPECT_EQ(find("docker.io")->user, "user");
  EXPECT_EQ(find("docker.io")->password, "pa:ss");
  EXPECT_EQ(find("a")->identity_token, "id");
  EXPECT_EQ(find("b")->registry_token, "rt");
  EXPECT_EQ(find("c")->password, "p");
  EXPECT_FALSE(find("d").has_value());
  EXPECT_EQ(find("e")->identity_token, "id2");
  EXPECT_EQ(find("e")->user, "");
  EXPECT_EQ(find("f")->password, "p");
  EXPECT_FALSE(find("g").has_value());
}

TEST(CredentialFile, TheLongestPathWins) {
  const auto file = parse(R"({"auths":{"quay.io":)" + auth("host:1") + R"(,"quay.io/org":)" +
                          auth("org:1") + R"(,"quay.io/org/repo":)" + auth("repo:1") + "}}");
  const auto user = [&](std::string_view repository) {
    return find_credential(file, "quay.io", repository).entry->user;
  };
  EXPECT_EQ(user("org/repo"), "repo");
  EXPECT_EQ(user("org/repo/deeper"), "repo");
  EXPECT_EQ(user("org/repository"), "org") << "prefixes end at a slash";
  EXPECT_EQ(user("other"), "host");
  EXPECT_EQ(user(""), "host");
}

TEST(CredentialFile, HelpersByHostAndByDefault) {
  const auto file = parse(
      R"({"credsStore":"secretservice","credHelpers":{"gcr.io":"gcloud","plain.io":""},
      "auths":{"plain.io":)" +
      auth("u:p") + "}}");
  EXPECT_EQ(find_credential(file, "gcr.io", "").helper, "gcloud");
  EXPECT_EQ(find_credential(file, "other.io", "").helper, "secretservice");
  const auto plain = find_credential(file, "plain.io", "");
  EXPECT_EQ(plain.helper, "");
  EXPECT_EQ(plain.entry->user, "u");
}

TEST(CredentialFile, LegacyFilesAreFlat) {
  const auto file = parse(R"({"reg.io":)" + auth("u:p") + "}", "/home/x/.dockercfg");
  EXPECT_EQ(find_credential(file, "reg.io", "").entry->user, "u");
}

TEST(CredentialFile, BrokenOnesAreNamedWithoutTheirSecrets) {
  for (const char* text :
       {"{", "[]", R"({"auths":[]})", R"({"auths":{"a":"secret"}})",
        R"({"auths":{"a":{"auth":7}}})", R"({"auths":{"a":{"auth":"c2VjcmV0"}}})",
        R"({"auths":{"a":{"auth":"!secret!"}}})", R"({"auths":{},"auths":{}})",
        R"({"credsStore":{}})", R"({"credHelpers":{"a":1}})",
        R"({"auths":{"a":{"registrytoken":"secret\r\nX: y"}}})"}) {
    const auto file = parse_credential_file(text, "/etc/x.json");
    ASSERT_FALSE(file.has_value()) << text;
    EXPECT_EQ(file.error().code, Errc::kMalformed) << text;
    EXPECT_THAT(file.error().message, HasSubstr("/etc/x.json"));
    EXPECT_THAT(file.error().describe(), Not(HasSubstr("secret"))) << text;
  }
  EXPECT_TRUE(parse("").auths.empty());
}

CredentialPaths paths(std::map<std::string, std::string> values,
                      std::optional<std::filesystem::path> file = {}) {
  return CredentialPaths::find(
      [&](std::string_view name) -> std::optional<std::string> {
        const auto found = values.find(std::string(name));
        return found == values.end() ? std::nullopt : std::optional(found->second);
      },
      file);
}

TEST(CredentialPaths, InTheOrderOfTheirWeight) {
  const auto all = paths({{"HOME", "/h"},
                          {"DOCKER_CONFIG", "/d"},
                          {"REGISTRY_AUTH_FILE", "/r/auth.json"},
                          {"XDG_RUNTIME_DIR", "/run/u"},
                          {"XDG_CONFIG_HOME", "/x"},
                          {"DOCKER_AUTH_CONFIG", "{}"}},
                         "/explicit.json");
  EXPECT_THAT(all.files, ElementsAre("/explicit.json", "/r/auth.json", "/d/config.json",
                                     "/run/u/containers/auth.json", "/x/containers/auth.json",
                                     "/h/.dockercfg"));
  EXPECT_EQ(all.inline_json, "{}");
}

TEST(CredentialPaths, LoginWritesWhatIsNamedElseDockersFile) {
  const std::map<std::string, std::string> named = {
      {"HOME", "/h"}, {"DOCKER_CONFIG", "/d"}, {"REGISTRY_AUTH_FILE", "/r/auth.json"}};
  EXPECT_EQ(paths(named, "/explicit.json").login_file, "/explicit.json");
  EXPECT_EQ(paths(named).login_file, "/r/auth.json");
  EXPECT_EQ(paths({{"HOME", "/h"}, {"REGISTRY_AUTH_FILE", ""}}).login_file,
            "/h/.docker/config.json");
  EXPECT_EQ(paths({{"HOME", "/h"}, {"DOCKER_CONFIG", "/d"}}).login_file, "/d/config.json");
  EXPECT_EQ(paths({}, "/explicit.json").login_file, "/explicit.json");
  EXPECT_TRUE(paths({}).login_file.empty()) << "podman's files are podman's";
}

TEST(CredentialPaths, Defaults) {
  const std::string uid = std::to_string(::getuid());
  const auto all = paths({{"HOME", "/h"}, {"DOCKER_CONFIG", ""}});
  EXPECT_THAT(all.files, ElementsAre("/h/.docker/config.json",
                                     std::filesystem::path("/run/containers/" + uid + "/auth.json"),
                                     "/h/.config/containers/auth.json", "/h/.dockercfg"));
}

}  // namespace
}  // namespace transship::config
