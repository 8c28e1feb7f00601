#include <map>

#include "contract/store_contract.h"
#include "registry/registry.h"
#include "server/server_thread.h"
#include "support/process/registries.h"
#include "support/process/temp_dir.h"
#include "transport/curl/curl_client.h"

// The registry client, over loopback: against our own server, and against docker's two.

namespace transship::contract {
namespace {

class OpenAdmission final : public transport::Admission {
 public:
  Task<Result<std::unique_ptr<transport::Permit>>> admit(std::string, transport::RequestClass,
                                                         std::uint64_t,
                                                         transport::Readiness*) override {
    struct Open final : transport::Permit {
      transport::Verdict report(const transport::Outcome&) override { return {}; }
    };
    co_return std::make_unique<Open>();
  }
};

registry::Options small_pages() {
  registry::Options options;
  options.page_size = 4;
  return options;
}

/// The client, whatever server it speaks to. Destroyed before the server is.
class Client {
 public:
  Client(Shards& shards, std::string host)
      : http_(transport::make_http_client(shards, {}, admission_)),
        registry_(*http_, credentials_, real_time(), small_pages(), std::move(host)) {}

  oci::TargetRepository* repository(const std::string& name) {
    auto& slot = repositories_[name];
    if (!slot) {
      slot =
          registry_.repository(oci::RepositoryName::parse(name).value(), registry::Access::kPush);
    }
    return slot.get();
  }

 private:
  OpenAdmission admission_;
  registry::NoCredentials credentials_;
  std::unique_ptr<transport::CurlClient> http_;
  registry::Registry registry_;
  std::map<std::string, std::unique_ptr<oci::TargetRepository>> repositories_;
};

class Serve final : public StoreUnderTest {
 public:
  explicit Serve(Shards& shards)
      : server_(server::ServerThread::start({.root = directory_.path()}).value()),
        client_(shards, server_->endpoint().authority()) {}
  Traits traits() const override {
    return {.mounts = true, .verifies_digests = true, .checks_blobs = true};
  }
  Task<Result<oci::TargetRepository*>> repository(std::string name) override {
    co_return client_.repository(name);
  }

 private:
  test::TempDir directory_;
  std::unique_ptr<server::ServerThread> server_;
  Client client_;
};

class Distribution final : public StoreUnderTest {
 public:
  using Version = test::DistributionRegistry::Version;

  Distribution(Shards& shards, Version version)
      : version_(version), server_(version), client_(shards, server_.host()) {}
  static std::unique_ptr<StoreUnderTest> make(Shards& shards, Version version) {
    if (!test::DistributionRegistry::installed(version)) return nullptr;
    return std::make_unique<Distribution>(shards, version);
  }
  Traits traits() const override {
    return {.mounts = true,
            .keeps_sessions = version_ == Version::k3,
            .verifies_digests = true,
            .checks_blobs = true,
            .referrers_api = false,
            .sha512 = false};
  }
  Task<Result<oci::TargetRepository*>> repository(std::string name) override {
    co_return client_.repository(name);
  }

 private:
  Version version_;
  test::DistributionRegistry server_;
  Client client_;
};

INSTANTIATE_TEST_SUITE_P(
    Registry, StoreContract,
    testing::Values(StoreMaker{"Serve",
                               [](Shards& shards) { return std::make_unique<Serve>(shards); }},
                    StoreMaker{"DockerRegistry28",
                               [](Shards& shards) {
                                 return Distribution::make(shards, Distribution::Version::k28);
                               }},
                    StoreMaker{"Distribution3",
                               [](Shards& shards) {
                                 return Distribution::make(shards, Distribution::Version::k3);
                               }}),
    maker_name);

}  // namespace
}  // namespace transship::contract
