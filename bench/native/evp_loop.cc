// AES-256-GCM as fast as libcrypto's EVP does it on one thread: memory touched before, one keyed context, nothing else.
//
// Answers each line of standard input with the nanoseconds that it took:
//   seal SIZE COUNT    COUNT messages of SIZE bytes into one reused buffer
//   open SIZE COUNT    the same, decrypted
//   chunks TOTAL       one pass over TOTAL bytes in chunks of 16 KiB into one reused buffer, a nonce and a tag each
#include <openssl/evp.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kChunk = std::size_t{16} * 1024;

void require(int ok) {
  if (ok == 1) return;
  std::fputs("evp_loop: libcrypto refused\n", stderr);
  std::exit(1);
}

class Loop {
 public:
  Loop() : cipher_(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)) {
    const unsigned char key[32] = {1};
    require(EVP_EncryptInit_ex2(seal_, cipher_, key, nullptr, nullptr));
    require(EVP_DecryptInit_ex2(open_, cipher_, key, nullptr, nullptr));
  }

  void resize(std::size_t size) {
    if (input_.size() == size) return;
    input_.assign(size, 1);
    output_.assign(size + 16, 2);
    sealed_ = false;
  }

  void seal(const unsigned char* input, unsigned char* output, std::size_t size) {
    int written = 0;
    require(EVP_EncryptInit_ex2(seal_, nullptr, nullptr, next_iv(), nullptr));
    require(EVP_EncryptUpdate(seal_, output, &written, input, static_cast<int>(size)));
    require(EVP_EncryptFinal_ex(seal_, output + size, &written));
    require(EVP_CIPHER_CTX_ctrl(seal_, EVP_CTRL_AEAD_GET_TAG, 16, output + size));
  }

  long seal_messages(std::size_t size, long count) {
    resize(size);
    sealed_ = false;
    return time([&] {
      for (long i = 0; i < count; ++i) seal(input_.data(), output_.data(), size);
    });
  }

  long open_messages(std::size_t size, long count) {
    resize(size);
    // Sealed once: from then on the input holds its plaintext, and the output what it opens from.
    if (!sealed_) seal(input_.data(), output_.data(), size);
    sealed_ = true;
    return time([&] {
      for (long i = 0; i < count; ++i) {
        int written = 0;
        require(EVP_DecryptInit_ex2(open_, nullptr, nullptr, iv_, nullptr));
        require(EVP_DecryptUpdate(open_, input_.data(), &written, output_.data(), static_cast<int>(size)));
        require(EVP_CIPHER_CTX_ctrl(open_, EVP_CTRL_AEAD_SET_TAG, 16, output_.data() + size));
        require(EVP_DecryptFinal_ex(open_, input_.data(), &written));
      }
    });
  }

  long chunks(std::size_t total) {
    resize(std::size_t{1} << 20);
    return time([&] {
      for (std::size_t done = 0; done < total; done += kChunk) {
        seal(input_.data() + done % input_.size(), output_.data(), kChunk);
      }
    });
  }

 private:
  template <typename Work>
  static long time(Work&& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
  }

  const unsigned char* next_iv() {
    for (int i = 11; i >= 4 && ++iv_[i] == 0; --i) {
    }
    return iv_;
  }

  EVP_CIPHER* cipher_;
  EVP_CIPHER_CTX* seal_ = EVP_CIPHER_CTX_new();
  EVP_CIPHER_CTX* open_ = EVP_CIPHER_CTX_new();
  unsigned char iv_[12] = {};
  std::vector<unsigned char> input_;
  std::vector<unsigned char> output_;
  bool sealed_ = false;
};

}  // namespace

int main() {
  Loop loop;
  std::string command;
  std::size_t size = 0;
  while (std::cin >> command >> size) {
    long count = 0;
    if (command == "chunks") {
      std::cout << loop.chunks(size) << std::endl;
    } else if (std::cin >> count) {
      std::cout << (command == "seal" ? loop.seal_messages(size, count) : loop.open_messages(size, count)) << std::endl;
    }
  }
}
