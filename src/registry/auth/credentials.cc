#include "registry/auth/credentials.h"

#include <openssl/crypto.h>

namespace transship::registry {

void wipe(std::string& secret) {
  // Not memset: the compiler may drop a store to memory that nobody reads again.
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

Credential::~Credential() {
  wipe(password);
  wipe(identity_token);
  wipe(registry_token);
}

}  // namespace transship::registry
