#include "config/login.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/task_group.h"
#include "config/child_process.h"
#include "config/credential_helper.h"
#include "config/docker_credentials.h"
#include "support/engine/fake_clock.h"

namespace transship::config {
namespace {

namespace fs = std::filesystem;
using registry::Credential;
using testing::HasSubstr;
using testing::Not;

std::string read(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

void write(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }

/// A directory with helpers on PATH, and a docker configuration in it.
class LoginTest : public testing::Test {
 protected:
  LoginTest() {
    std::string name = (fs::temp_directory_path() / "transship-login-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    old_path_ = ::getenv("PATH");
    ::setenv("PATH", (directory_.string() + ":" + old_path_).c_str(), 1);
    paths_.login_file = directory_ / "docker" / "config.json";
    paths_.files = {paths_.login_file};
  }
  ~LoginTest() override {
    ::setenv("PATH", old_path_.c_str(), 1);
    fs::remove_all(directory_);
  }

  // A helper whose whole script is `body`; "$1" is the verb.
  void helper(const std::string& name, const std::string& body) {
    const fs::path path = directory_ / ("docker-credential-" + name);
    write(path, "#!/bin/sh\n" + body + "\n");
    fs::permissions(path, fs::perms::owner_all);
  }
  void config(std::string_view text) {
    fs::create_directories(paths_.login_file.parent_path());
    write(paths_.login_file, text);
  }
  Result<LoginPlace> store(std::string host, Credential credential) {
    Result<LoginPlace> out = fail(Errc::kInternal, "not run");
    run([&]() -> Task<Result<void>> {
      out = co_await store_login(pool_, paths_, host, credential);
      co_return Result<void>{};
    });
    return out;
  }
  Result<bool> remove(std::string host) {
    Result<bool> out = fail(Errc::kInternal, "not run");
    run([&]() -> Task<Result<void>> {
      out = co_await remove_login(pool_, paths_, host);
      co_return Result<void>{};
    });
    return out;
  }
  Result<std::optional<Credential>> lookup(std::string host,
                                           DockerCredentials::Limits limits = {}) {
    Result<std::optional<Credential>> out = fail(Errc::kInternal, "not run");
    run([&]() -> Task<Result<void>> {
      DockerCredentials credentials(pool_, clock_, paths_, limits);
      out = co_await credentials.lookup(host, "");
      co_return Result<void>{};
    });
    return out;
  }
  void run(std::function<Task<Result<void>>()> body) {
    const auto result = run_to_end(std::move(body));
    EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().describe());
  }

  fs::path directory_;
  std::string old_path_;
  CredentialPaths paths_;
  WorkerPool pool_{2};
  test::FakeClock clock_;
};

TEST_F(LoginTest, WritesAPrivateFileThatIsFoundAgain) {
  const auto place = store("reg.example.com:5000", Credential("user", "pa:ss"));
  ASSERT_TRUE(place.has_value()) << place.error().describe();
  EXPECT_TRUE(place->plain_text);
  EXPECT_EQ(place->where, paths_.login_file.string());
  struct stat status{};
  ASSERT_EQ(::stat(paths_.login_file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  ASSERT_EQ(::stat(paths_.login_file.parent_path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  const auto found = lookup("reg.example.com:5000");
  ASSERT_TRUE(found.has_value() && found->has_value());
  EXPECT_EQ((*found)->user, "user");
  EXPECT_EQ((*found)->password, "pa:ss");
  EXPECT_FALSE(lookup("reg.example.com")->has_value());
}

TEST_F(LoginTest, KeepsWhatElseIsInTheFile) {
  config(
      R"({"psFormat":"x","auths":{"other.io":{"auth":"dTpw"},"https://reg.io/v2/":{"auth":"b2xkOnB3"}},
    "HttpHeaders":{"A":"b"},"n":[1,{"deep":null}]})");
  ASSERT_TRUE(store("reg.io", Credential("new", "pw")).has_value());
  const std::string text = read(paths_.login_file);
  EXPECT_THAT(text, HasSubstr("\"psFormat\": \"x\""));
  EXPECT_THAT(text, HasSubstr("\"n\": [1,{\"deep\":null}]"));
  EXPECT_THAT(text, HasSubstr("other.io"));
  EXPECT_THAT(text, Not(HasSubstr("https://reg.io/v2/"))) << "another spelling of the same host";
  EXPECT_EQ((*lookup("reg.io"))->user, "new");
  EXPECT_EQ((*lookup("other.io"))->user, "u");
}

TEST_F(LoginTest, DockerHubHasItsOwnKey) {
  ASSERT_TRUE(store("docker.io", Credential("u", "p")).has_value());
  EXPECT_THAT(read(paths_.login_file), HasSubstr("\"https://index.docker.io/v1/\""));
  EXPECT_EQ((*lookup("index.docker.io"))->user, "u");
}

TEST_F(LoginTest, LogoutForgetsAllSpellings) {
  config(R"({"auths":{"reg.io":{"auth":"dTpw"},"https://reg.io":{"auth":"dTpw"},"b":{}}})");
  EXPECT_EQ(remove("reg.io"), true);
  EXPECT_EQ(remove("reg.io"), false);
  EXPECT_THAT(read(paths_.login_file), HasSubstr("\"b\""));
  EXPECT_FALSE(lookup("reg.io")->has_value());
}

TEST_F(LoginTest, ABrokenFileIsLeftAsItIs) {
  config("{not json");
  const auto place = store("reg.io", Credential("u", "p"));
  ASSERT_FALSE(place.has_value());
  EXPECT_THAT(place.error().message, HasSubstr("config.json"));
  EXPECT_EQ(read(paths_.login_file), "{not json");
}

TEST_F(LoginTest, AUserNameWithAColonIsRefused) {
  EXPECT_EQ(store("reg.io", Credential("a:b", "p")).error().code, Errc::kInvalidArgument);
}

TEST_F(LoginTest, ASymlinkIsFollowed) {
  fs::create_directories(directory_ / "docker");
  write(directory_ / "real.json", "{}");
  fs::create_symlink(directory_ / "real.json", paths_.login_file);
  ASSERT_TRUE(store("reg.io", Credential("u", "p")).has_value());
  EXPECT_TRUE(fs::is_symlink(paths_.login_file));
  EXPECT_THAT(read(directory_ / "real.json"), HasSubstr("reg.io"));
}

TEST_F(LoginTest, AHelperKeepsTheSecret) {
  helper("vault", "cat > " + (directory_ / "stored-$1").string());
  config(R"({"credsStore":"vault"})");
  const auto place = store("reg.io", Credential("user", "secret"));
  ASSERT_TRUE(place.has_value()) << place.error().describe();
  EXPECT_EQ(place->where, "docker-credential-vault");
  EXPECT_FALSE(place->plain_text);
  EXPECT_EQ(read(directory_ / "stored-store"),
            R"({"ServerURL":"reg.io","Username":"user","Secret":"secret"})");
  EXPECT_THAT(read(paths_.login_file), Not(HasSubstr("secret")));
  EXPECT_THAT(read(paths_.login_file), HasSubstr("\"reg.io\": {}"));
}

/// A file that the user named, beside docker's, whose helper keeps all that docker stores.
class NamedFileTest : public LoginTest {
 protected:
  NamedFileTest() {
    config(kDockers);
    helper("vault", "touch " + (directory_ / "asked").string() + "; cat >/dev/null");
    paths_.login_file = directory_ / "ci" / "auth.json";
    paths_.files.insert(paths_.files.begin(), paths_.login_file);
  }
  // In docker's place: `config` writes to `login_file`.
  std::string docker() const { return read(directory_ / "docker" / "config.json"); }
  bool helper_asked() const { return fs::exists(directory_ / "asked"); }

  static constexpr const char* kDockers = R"({"credsStore":"vault","auths":{"reg.io":{}}})";
};

TEST_F(NamedFileTest, IsMadeAndDockersHelperIsNotAsked) {
  const auto place = store("reg.io", Credential("user", "secret"));
  ASSERT_TRUE(place.has_value()) << place.error().describe();
  EXPECT_EQ(place->where, paths_.login_file.string());
  EXPECT_TRUE(place->plain_text);
  EXPECT_EQ(fs::status(paths_.login_file).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ((*lookup("reg.io"))->user, "user");
  EXPECT_EQ(docker(), kDockers);
  EXPECT_EQ(remove("reg.io"), true);
  EXPECT_THAT(read(paths_.login_file), Not(HasSubstr("reg.io")));
  EXPECT_EQ(docker(), kDockers);
  EXPECT_FALSE(helper_asked());
}

TEST_F(NamedFileTest, KeepsWhatElseIsInIt) {
  config(R"({"auths":{"reg.io/team":{"auth":"dTpw"},"reg.io":{"auth":"dTpw"}},"x":1})");
  fs::permissions(paths_.login_file, fs::perms::all);
  ASSERT_TRUE(store("reg.io", Credential("new", "pw")).has_value());
  EXPECT_EQ((*lookup("reg.io"))->user, "new");
  EXPECT_EQ(fs::status(paths_.login_file).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(remove("reg.io"), true);
  EXPECT_THAT(read(paths_.login_file), HasSubstr("\"reg.io/team\""));
  EXPECT_THAT(read(paths_.login_file), HasSubstr("\"x\": 1"));
}

TEST_F(NamedFileTest, ItsOwnHelperIsAsked) {
  config(R"({"credHelpers":{"reg.io":"vault"}})");
  const auto place = store("reg.io", Credential("user", "secret"));
  ASSERT_TRUE(place.has_value()) << place.error().describe();
  EXPECT_EQ(place->where, "docker-credential-vault");
  EXPECT_TRUE(helper_asked());
  EXPECT_THAT(read(paths_.login_file), Not(HasSubstr("secret")));
}

TEST_F(NamedFileTest, WithoutALoginThereIsNothingToRemove) {
  EXPECT_EQ(remove("reg.io"), false);
  EXPECT_FALSE(fs::exists(paths_.login_file));
  EXPECT_EQ(docker(), kDockers);
}

TEST_F(NamedFileTest, ADeviceOrAPipeIsNotReplaced) {
  fs::create_directories(paths_.login_file.parent_path());
  ASSERT_EQ(::mkfifo(paths_.login_file.c_str(), 0600), 0);
  const auto place = store("reg.io", Credential("user", "secret"));
  ASSERT_FALSE(place.has_value());
  EXPECT_EQ(place.error().code, Errc::kInvalidArgument);
  EXPECT_THAT(place.error().message, HasSubstr("auth.json is no regular file"));
  EXPECT_TRUE(fs::is_fifo(paths_.login_file));
}

TEST_F(LoginTest, AHelperIsAskedWithTheKeyThatDockerUses) {
  helper("vault", R"(server=$(cat)
echo "{\"ServerURL\":\"$server\",\"Username\":\"$server\",\"Secret\":\"s\"}")");
  config(R"({"credHelpers":{"docker.io":"vault","reg.io":"vault"}})");
  EXPECT_EQ((*lookup("docker.io"))->user, "https://index.docker.io/v1/");
  EXPECT_EQ((*lookup("reg.io"))->user, "reg.io");
  EXPECT_FALSE(lookup("other.io")->has_value());
}

TEST_F(LoginTest, AHelpersTokenIsAnIdentityToken) {
  helper("vault", R"(echo '{"Username":"<token>","Secret":"id"}')");
  config(R"({"credsStore":"vault"})");
  const auto found = lookup("reg.io");
  EXPECT_EQ((*found)->identity_token, "id");
  EXPECT_EQ((*found)->user, "");
}

TEST_F(LoginTest, NotFoundFallsThroughToTheFile) {
  helper("vault", "echo 'credentials not found in native keychain'; exit 1");
  config(R"({"credsStore":"vault","auths":{"reg.io":{"auth":"dTpw"}}})");
  EXPECT_EQ((*lookup("reg.io"))->user, "u");
  EXPECT_FALSE(lookup("other.io")->has_value());
}

TEST_F(LoginTest, HelpersThatFailAreNamedAndTheirSecretsAreNot) {
  struct Case {
    const char* body;
    Errc code;
    const char* says;
  };
  const Case cases[] = {
      {"echo 'the vault is locked'; exit 1", Errc::kIo, "the vault is locked"},
      {R"(echo '{"Secret":"hidden"}'; exit 3)", Errc::kIo, "exit code 3"},
      {"echo hidden", Errc::kMalformed, "not what the protocol says"},
      {R"(echo '{"Username":"u"}')", Errc::kMalformed, "not what the protocol says"},
      {"kill -9 $$", Errc::kIo, "137"}};
  config(R"({"credsStore":"vault"})");
  for (const Case& each : cases) {
    helper("vault", each.body);
    const auto found = lookup("reg.io");
    ASSERT_FALSE(found.has_value()) << each.body;
    EXPECT_EQ(found.error().code, each.code) << each.body;
    EXPECT_THAT(found.error().message, HasSubstr(each.says));
    EXPECT_THAT(found.error().message, HasSubstr("docker-credential-vault"));
    EXPECT_THAT(found.error().describe(), Not(HasSubstr("hidden")));
  }
}

TEST_F(LoginTest, AMissingHelperSaysWhatToDo) {
  config(R"({"credsStore":"not-installed-here"})");
  const auto found = lookup("reg.io");
  EXPECT_EQ(found.error().code, Errc::kNotFound);
  EXPECT_THAT(found.error().hint, HasSubstr("install docker-credential-not-installed-here"));
}

TEST_F(LoginTest, AHelpersNameIsNoPath) {
  for (const char* name : {"../evil", "a b", "x;y", "$(x)"}) {
    EXPECT_EQ(CredentialHelper(name).get("reg.io").error().code, Errc::kInvalidArgument);
  }
}

TEST_F(LoginTest, AHangingHelperIsKilledWithItsChildren) {
  helper("slow", "sleep 600 & wait");
  CredentialHelper slow("slow", std::chrono::milliseconds(50));
  const auto found = slow.get("reg.io");
  EXPECT_EQ(found.error().code, Errc::kTimeout);
}

TEST_F(LoginTest, ACancelledHelperEnds) {
  helper("slow", "sleep 600");
  std::atomic<bool> cancelled{true};
  const auto found = CredentialHelper("slow").get("reg.io", &cancelled);
  EXPECT_EQ(found.error().code, Errc::kCancelled);
}

TEST_F(LoginTest, AHelperThatLeavesADaemonBehindEndsAllTheSame) {
  helper("daemon", R"(cat >/dev/null; sleep 600 & echo $! > ")" + (directory_ / "pid").string() +
                       R"("; echo '{"Username":"u","Secret":"s"}')");
  const auto found = CredentialHelper("daemon").get("reg.io");
  ASSERT_TRUE(found.has_value()) << found.error().describe();
  EXPECT_EQ((*found)->user, "u");
  ::kill(static_cast<pid_t>(std::stoi(read(directory_ / "pid"))), SIGKILL);
}

TEST_F(LoginTest, AHelperIsAskedOnceForAllAndAgainWhenRefused) {
  helper("vault", "echo x >> " + (directory_ / "asked").string() +
                      R"(; echo '{"Username":"u","Secret":"s"}')");
  config(R"({"credsStore":"vault"})");
  run([&]() -> Task<Result<void>> {
    DockerCredentials credentials(pool_, clock_, paths_);
    TaskGroup group(co_await current_executor());
    const auto one = [](DockerCredentials& c) -> Task<Result<void>> {
      TS_CO_TRY(const auto found, co_await c.lookup("reg.io", "a/b"));
      EXPECT_TRUE(found.has_value());
      co_return Result<void>{};
    };
    for (int i = 0; i < 20; ++i) group.spawn(one(credentials));
    TS_CO_TRY(co_await group.join());
    EXPECT_EQ(read(directory_ / "asked"), "x\n");
    credentials.refused("reg.io");
    TS_CO_TRY(co_await credentials.lookup("reg.io", ""));
    EXPECT_EQ(read(directory_ / "asked"), "x\nx\n");
    clock_.advance(std::chrono::minutes(6));
    TS_CO_TRY(co_await credentials.lookup("reg.io", ""));
    EXPECT_EQ(read(directory_ / "asked"), "x\nx\nx\n");
    co_return Result<void>{};
  });
}

TEST_F(LoginTest, InlineJsonComesFirst) {
  config(R"({"auths":{"reg.io":{"auth":"dTpw"}}})");
  paths_.inline_json = R"({"auths":{"reg.io":{"auth":"aW5saW5lOnA="}}})";
  EXPECT_EQ((*lookup("reg.io"))->user, "inline");
}

TEST(ChildProcess, OutputIsBounded) {
  const auto result = run_child({"yes"}, "", std::chrono::seconds(20), nullptr);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Errc::kTooLarge);
}

}  // namespace
}  // namespace transship::config
