#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace transship::test {

/// A certificate with its key, made for a test.
class Certificate {
 public:
  struct Spec {
    std::string common_name = "test";
    std::string names{};  ///< subjectAltName: "DNS:localhost,IP:127.0.0.1"; empty: none.
    bool is_ca = false;
    long valid_from = -86'400;  ///< Seconds from now.
    long valid_to = 86'400;
  };

  /// Signed by `issuer`, or by itself.
  static Certificate make(const Spec& spec, const Certificate* issuer = nullptr) {
    Certificate out;
    out.key_.reset(EVP_EC_gen("P-256"));
    out.x509_.reset(X509_new());
    X509* x = out.x509_.get();
    X509_set_version(x, 2);
    static long serial = 1000;
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x), spec.valid_from);
    X509_gmtime_adj(X509_getm_notAfter(x), spec.valid_to);
    X509_set_pubkey(x, out.key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1,
                               -1, 0);
    const Certificate& signer = issuer == nullptr ? out : *issuer;
    X509_set_issuer_name(x, X509_get_subject_name(signer.x509_.get()));
    out.extend(signer, NID_basic_constraints, spec.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (!spec.names.empty()) out.extend(signer, NID_subject_alt_name, spec.names);
    X509_sign(x, signer.key_.get(), EVP_sha256());
    return out;
  }

  std::string pem() const {
    return text([&](BIO* bio) { PEM_write_bio_X509(bio, x509_.get()); });
  }
  std::string key_pem() const {
    return text([&](BIO* bio) {
      PEM_write_bio_PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }

 private:
  template <auto F>
  struct Free {
    template <class T>
    void operator()(T* pointer) const {
      F(pointer);
    }
  };

  void extend(const Certificate& signer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, signer.x509_.get(), x509_.get(), nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    X509_add_ext(x509_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }

  template <class F>
  static std::string text(F write) {
    const std::unique_ptr<BIO, Free<BIO_vfree>> bio(BIO_new(BIO_s_mem()));
    write(bio.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }

  std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>> key_;
  std::unique_ptr<X509, Free<X509_free>> x509_;
};

}  // namespace transship::test
