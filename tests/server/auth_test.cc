#include <crypt.h>

#include <fstream>
#include <thread>

#include "base/text.h"
#include "server/fixture.h"

namespace transship::server {
namespace {

std::string bcrypt(const std::string& password, unsigned cost = 4) {
  char salt[CRYPT_GENSALT_OUTPUT_SIZE];
  crypt_gensalt_rn("$2y$", cost, nullptr, 0, salt, sizeof salt);
  crypt_data data{};
  return crypt_r(password.c_str(), salt, &data);
}

class Auth : public ServerTest {
 protected:
  Auth() {
    options.htpasswd = options.root / "_htpasswd";
    std::ofstream(options.htpasswd)
        << "# users\nalice:" << bcrypt("secret") << "\n\nbob:" << bcrypt("other:one") << "\n";
  }
  RawReply as(std::string_view user, std::string_view method = "GET",
              std::string_view target = "/v2/") const {
    return ask(method, target, "", {{"Authorization", "Basic " + base64_encode(user)}});
  }
};

TEST_F(Auth, AsksForCredentials) {
  start();
  const RawReply reply = ask("GET", "/v2/");
  EXPECT_EQ(reply.status, 401);
  EXPECT_TRUE(reply["www-authenticate"].starts_with("Basic realm="));
  EXPECT_NE(reply.body.find("UNAUTHORIZED"), std::string::npos);
  EXPECT_EQ(ask("GET", "/v2/a/referrers/" + digest_text("x")).status, 401);
}

TEST_F(Auth, ChecksThem) {
  start();
  EXPECT_EQ(as("alice:secret").status, 200);
  EXPECT_EQ(as("bob:other:one").status, 200);
  for (const char* wrong : {"alice:Secret", "alice:", "alice", ":secret", "eve:secret", "bob:other",
                            "alice:secret\n"}) {
    EXPECT_EQ(as(wrong).status, 401) << wrong;
  }
  for (const char* header : {"Bearer x", "Basic", "Basic !!!",
                             "Basic "
                             "YWxpY2U6c2VjcmV0AHg="}) {
    EXPECT_EQ(ask("GET", "/v2/", "", {{"Authorization", header}}).status, 401) << header;
  }
  EXPECT_EQ(as("alice:secret", "POST", "/v2/a/blobs/uploads/").status, 202);
}

TEST_F(Auth, AnonymousReadsAlone) {
  options.anonymous_read = true;
  start();
  EXPECT_EQ(ask("GET", "/v2/").status, 200);
  EXPECT_EQ(ask("GET", "/v2/a/tags/list").status, 404);
  EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/").status, 401);
  EXPECT_EQ(ask("DELETE", "/v2/a/manifests/x").status, 401);
  // Credentials that are wrong are refused, also where none were needed.
  EXPECT_EQ(as("alice:wrong").status, 401);
  EXPECT_EQ(as("alice:secret", "POST", "/v2/a/blobs/uploads/").status, 202);
}

TEST_F(Auth, ManyAtOnce) {
  start();
  std::atomic<int> granted = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&] { granted += as("alice:secret").status == 200 ? 1 : 0; });
    }
  }
  EXPECT_EQ(granted, 16);
}

// A hash of this cost takes half a second or more: whoever needs none does not wait for it.
TEST_F(Auth, OthersAreAnsweredWhileAPasswordIsChecked) {
  options.anonymous_read = true;
  std::ofstream(options.htpasswd) << "carol:" << bcrypt("secret", 13) << "\n";
  start();
  std::atomic<bool> checked = false;
  int meanwhile = 0, status = 0;
  std::jthread login([&] {
    status = as("carol:secret", "POST", "/v2/a/blobs/uploads/").status;
    checked = true;
  });
  while (!checked) {
    ASSERT_EQ(ask("GET", "/v2/").status, 200);
    ++meanwhile;
  }
  login.join();
  EXPECT_EQ(status, 202);
  EXPECT_GE(meanwhile, 20);
  // From then on it is known, and costs no hash.
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(as("carol:secret", "POST", "/v2/a/blobs/uploads/").status, 202);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(200));
}

TEST_F(Auth, TellsTheUserToObservers) {
  std::vector<std::string> users;
  options.observer = [&](const RequestRecord& record) { users.push_back(record.user); };
  start();
  as("alice:secret");
  as("alice:secret");
  ask("GET", "/v2/");
  ASSERT_TRUE(server->stop());
  EXPECT_EQ(users, (std::vector<std::string>{"alice", "alice", ""}));
}

TEST_F(Auth, RefusesOtherHashesThanBcrypt) {
  std::ofstream(options.htpasswd) << "alice:$apr1$x$yyyyyyyyyyyyyyyyyyyyyy\n";
  auto started = ServerThread::start(options);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::kInvalidArgument);
  EXPECT_NE(started.error().message.find("_htpasswd:1"), std::string::npos);
}

}  // namespace
}  // namespace transship::server
