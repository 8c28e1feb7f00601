#include "oci/store.h"

namespace transship::oci {

std::string RepositoryId::to_string() const {
  return repository.empty() ? store : store + "/" + repository;
}

}  // namespace transship::oci
