// What a session's receiver lets in, whatever comes in whatever order: held to a model that knows only which messages
// are genuine and which have opened before.
#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "core/crypto/session.h"
#include "fuzz.h"

namespace {

using cga::crypto::MessageKind;
using cga::fuzz::Input;
using cga::fuzz::require;

using Bytes = std::vector<std::uint8_t>;

const std::array<std::uint8_t, 32> kInputKey{4, 5, 6};
constexpr std::size_t kMostMessages = 64;
constexpr std::array<std::size_t, 4> kWindows{0, 1, 5, 64};

/// What decides: one byte after the other, zeros in the end.
class Choices {
 public:
  explicit Choices(Input input) : input_(input) {}
  [[nodiscard]] bool left() const { return !input_.empty(); }
  std::uint8_t next() {
    if (input_.empty()) return 0;
    const std::uint8_t byte = input_.front();
    input_ = input_.subspan(1);
    return byte;
  }
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : next() % limit; }

 private:
  Input input_;
};

struct Sealed {
  MessageKind kind;
  std::uint64_t counter;
  Bytes plaintext;
  Bytes bytes;
};

/// The rules of docs/encryption.md, section "Sessions", in the plainest words.
class Model {
 public:
  Model(bool ordered, std::size_t window) : ordered_(ordered), window_(window) {}

  [[nodiscard]] bool lets_in(const Sealed& message) const {
    if (failed || finished || message.counter >= cga::crypto::kSessionMaxMessages) return false;
    if (ordered_) return message.counter == next_;
    if (message.kind == MessageKind::kLast) return false;
    if (window_ == 0) return true;
    return !opened_.contains(message.counter) && message.counter + window_ >= next_;
  }

  void opened(const Sealed& message) {
    opened_.insert(message.counter);
    next_ = std::max(next_, message.counter + 1);
    finished = message.kind == MessageKind::kLast;
  }
  void refused() { failed = ordered_; }

  bool failed = false;
  bool finished = false;

 private:
  bool ordered_;
  std::size_t window_;
  std::uint64_t next_ = 0;  ///< one above the highest number that opened
  std::set<std::uint64_t> opened_;
};

class Exchange {
 public:
  explicit Exchange(Input input)
      : choices_(input),
        ordered_((choices_.next() & 1) != 0),
        window_(ordered_ ? 0 : kWindows[choices_.below(kWindows.size())]),
        limit_(choices_.next()),
        sealer_(kInputKey, {}, limit_),
        opener_(kInputKey, {}, ordered_, window_),
        model_(ordered_, window_) {}

  void run() {
    while (choices_.left() && sent_.size() < kMostMessages) {
      switch (choices_.below(6)) {
        case 0:
          seal_next();
          break;
        case 1:
          seal_several();
          break;
        case 2:
          seal_anywhere();
          break;
        case 3:
          deliver_one();
          break;
        case 4:
          deliver_several();
          break;
        default:
          deliver_changed();
      }
      require(opener_.finished() == model_.finished);
    }
  }

 private:
  Bytes content() { return Bytes(choices_.next(), choices_.next()); }

  /// The sender's numbers go up by one to the limit, and no further than the last message.
  [[nodiscard]] bool reserve(std::uint64_t count, std::uint64_t& first) {
    const bool there_is = !ended_ && count <= limit_ - next_;
    bool got = true;
    try {
      first = sealer_.reserve(count);
    } catch (const cga::Error& error) {
      require(error.kind() == cga::ErrorKind::kInvalidArgument);
      got = false;
    }
    require(got == there_is && (!got || first == next_));
    if (got) next_ += count;
    require(sealer_.sent() == next_);
    return got;
  }

  void seal_next() {
    std::uint64_t counter = 0;
    if (!reserve(1, counter)) return;
    ended_ = ordered_ && choices_.below(8) == 7;
    if (ended_) sealer_.end();
    seal(ended_ ? MessageKind::kLast : MessageKind::kMessage, counter);
  }

  void seal(MessageKind kind, std::uint64_t counter) {
    Sealed message{kind, counter, content(), {}};
    message.bytes.resize(message.plaintext.size() + cga::crypto::kSessionOverhead);
    sealer_.seal(kind, counter, message.plaintext, message.bytes.data());
    Bytes again(message.bytes.size());
    cga::crypto::seal_session_message(sealer_.key(), kind, counter, message.plaintext, again.data(), 1);
    require(again == message.bytes);
    sent_.push_back(std::move(message));
  }

  void seal_several() {
    std::vector<Sealed> batch(choices_.below(5));
    std::uint64_t first = 0;
    if (!reserve(batch.size(), first)) return;
    std::vector<Input> inputs;
    std::vector<std::uint8_t*> outputs;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      batch[i] = {MessageKind::kMessage, first + i, content(), {}};
      batch[i].bytes.resize(batch[i].plaintext.size() + cga::crypto::kSessionOverhead);
      inputs.emplace_back(batch[i].plaintext);
      outputs.push_back(batch[i].bytes.data());
    }
    cga::crypto::seal_session_messages(sealer_.key(), first, inputs, outputs, 1);
    sent_.insert(sent_.end(), batch.begin(), batch.end());
  }

  /// A sender that does not keep to the rules: any number, beyond the limit as well.
  void seal_anywhere() {
    std::uint64_t counter = 0;
    for (std::size_t bytes = 1 + choices_.below(7); bytes > 0; --bytes) counter = counter << 8 | choices_.next();
    seal(static_cast<MessageKind>(choices_.below(2)), counter);
  }

  void deliver_one() {
    if (sent_.empty()) return;
    const Sealed& message = sent_[choices_.below(sent_.size())];
    Bytes out(message.plaintext.size(), 0xA5);
    const bool expected = model_.lets_in(message);
    require(opener_.open(message.bytes, out.data()) == expected);
    if (expected) {
      require(out == message.plaintext);
      model_.opened(message);
    } else {
      require(std::all_of(out.begin(), out.end(), [](std::uint8_t byte) { return byte == 0; }));
      model_.refused();
    }
  }

  /// All or none, as decryptMany() and decryptPacked() do it.
  void deliver_several() {
    if (sent_.empty()) return;
    std::vector<const Sealed*> messages(1 + choices_.below(4));
    std::vector<Input> inputs;
    std::vector<Bytes> outs;
    std::vector<std::uint8_t*> outputs;
    Model after = model_;
    bool expected = true;
    for (const Sealed*& message : messages) {
      message = &sent_[choices_.below(sent_.size())];
      expected = expected && lets_in_together(after, messages, *message);
      if (expected) after.opened(*message);
      inputs.emplace_back(message->bytes);
      outs.emplace_back(message->plaintext.size());
    }
    for (Bytes& out : outs) outputs.push_back(out.data());
    require(opener_.expects(inputs) == expected);
    if (!expected) {
      require(!opener_.accept(inputs));
      opener_.fail();
      model_.refused();
      return;
    }
    require(cga::crypto::open_session_messages(opener_.key(), inputs, outputs, 1) && opener_.accept(inputs));
    for (std::size_t i = 0; i < messages.size(); ++i) require(outs[i] == messages[i]->plaintext);
    model_ = after;
  }

  /// The window is that of before the call: a message may move it for those after it, but shuts out none of them.
  bool lets_in_together(const Model& after, const std::vector<const Sealed*>& messages, const Sealed& message) const {
    if (ordered_) return after.lets_in(message);
    const bool twice = window_ != 0 && std::count_if(messages.begin(), messages.end(), [&](const Sealed* other) {
                                         return other != nullptr && other->counter == message.counter;
                                       }) > 1;
    return !twice && model_.lets_in(message);
  }

  void deliver_changed() {
    if (sent_.empty()) return;
    const Sealed& message = sent_[choices_.below(sent_.size())];
    Bytes bytes = message.bytes;
    const std::size_t cut = choices_.below(4);
    if (cut == 0) {
      bytes[choices_.next() % bytes.size()] ^= static_cast<std::uint8_t>(1U << choices_.below(8));
    } else {
      bytes.resize(bytes.size() > cut * 9 ? bytes.size() - cut * 9 : 0);
    }
    Bytes out(bytes.size());
    require(!opener_.open(bytes, out.data()));
    model_.refused();
    if (bytes.size() < cga::crypto::kSessionOverhead) return;
    require(!cga::crypto::open_session_message(opener_.key(), bytes, out.data(), 1));
    Bytes plaintext(message.plaintext.size(), 0xA5);
    const std::array<Input, 2> inputs{Input(message.bytes), Input(bytes)};
    const std::array<std::uint8_t*, 2> outputs{plaintext.data(), out.data()};
    require(!cga::crypto::open_session_messages(opener_.key(), inputs, outputs, 1));
    require(std::all_of(plaintext.begin(), plaintext.end(), [](std::uint8_t byte) { return byte == 0; }));
  }

  Choices choices_;
  bool ordered_;
  std::size_t window_;
  std::uint64_t limit_;
  cga::crypto::SessionSealer sealer_;
  cga::crypto::SessionOpener opener_;
  Model model_;
  std::uint64_t next_ = 0;
  bool ended_ = false;
  std::vector<Sealed> sent_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cga::fuzz::expect_typed([&] { Exchange(Input(data, size)).run(); });
  return 0;
}
