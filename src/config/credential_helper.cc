#include "config/credential_helper.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "config/child_process.h"
#include "oci/json.h"

namespace transship::config {

namespace {

namespace json = boost::json;
using registry::Credential;

bool is_program_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

bool says_not_found(std::string_view output) {
  const std::string lower = to_lower(output);
  return lower.contains("credentials not found") || lower.contains("no credentials server url") ||
         lower.contains("no credentials username");
}

}  // namespace

Result<CredentialHelper::Answer> CredentialHelper::run(const std::string& verb, std::string input,
                                                       const std::atomic<bool>* cancelled) {
  if (!is_program_name(name_)) {
    return fail(Errc::kInvalidArgument, fmt::format("\"{}\" cannot be the name of a credential "
                                                    "helper",
                                                    printable(name_, 80)));
  }
  Result<ChildResult> child =
      run_child({"docker-credential-" + name_, verb}, input, limit_, cancelled);
  registry::wipe(input);
  if (!child) {
    Error error = std::move(child).error();
    if (error.code == Errc::kNotFound) {
      error.hint = fmt::format(
          "install docker-credential-{}, or name another where this one is named", name_);
    }
    return std::unexpected(std::move(error));
  }
  return Answer{.exit_code = child->exit_code, .output = std::move(child->output)};
}

Error CredentialHelper::failed(const std::string& verb, const Answer& answer) const {
  // Its stdout says why, unless it looks like what it says when all is well.
  const bool secret = answer.output.contains("Secret") || answer.output.contains('{');
  return Error{.code = Errc::kIo,
               .message = fmt::format("docker-credential-{} {}: exit code {}{}{}", name_, verb,
                                      answer.exit_code, secret ? "" : ": ",
                                      secret ? "" : printable(redact(trim(answer.output)), 160))};
}

Result<std::optional<Credential>> CredentialHelper::get(const std::string& server,
                                                        const std::atomic<bool>* cancelled) {
  TS_TRY(Answer answer, run("get", server, cancelled));
  if (answer.exit_code != 0) {
    if (says_not_found(answer.output)) return std::optional<Credential>();
    return std::unexpected(failed("get", answer));
  }
  const auto parse = [&]() -> Result<Credential> {
    TS_TRY(const json::object object, oci::json::parse_object(answer.output, "answer"));
    TS_TRY(const auto user, oci::json::get_string(object, "Username"));
    TS_TRY(const auto secret, oci::json::get_string(object, "Secret"));
    Credential out;
    if (user == "<token>") {
      out.identity_token = secret;
    } else {
      out.user = user;
      out.password = secret;
    }
    return out;
  };
  Result<Credential> credential = parse();
  registry::wipe(answer.output);
  // The parser's message may quote what it read.
  if (!credential) {
    return fail(
        Errc::kMalformed,
        fmt::format("docker-credential-{} get: its answer is not what the protocol says", name_));
  }
  if (credential->empty()) return std::optional<Credential>();
  return std::optional<Credential>(std::move(*credential));
}

Result<void> CredentialHelper::store(const std::string& server, const Credential& credential) {
  json::object object;
  object["ServerURL"] = server;
  const bool identity = !credential.identity_token.empty();
  object["Username"] = identity ? "<token>" : credential.user;
  object["Secret"] = identity ? credential.identity_token : credential.password;
  TS_TRY(const Answer answer, run("store", json::serialize(object), nullptr));
  if (answer.exit_code != 0) return std::unexpected(failed("store", answer));
  return {};
}

Result<void> CredentialHelper::erase(const std::string& server) {
  TS_TRY(const Answer answer, run("erase", server, nullptr));
  if (answer.exit_code != 0 && !says_not_found(answer.output)) {
    return std::unexpected(failed("erase", answer));
  }
  return {};
}

}  // namespace transship::config
