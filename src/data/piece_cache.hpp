// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace lrd {

/// The ids of pieces met lately: 4 MiB, whatever the text. Each piece has two neighbouring slots; a
/// new one takes the first and moves what stood there to the second.
class PieceCache {
public:
    static constexpr std::size_t longest = 30;  // bytes of a piece
    static constexpr std::size_t most_ids = 8;  // of a piece

    PieceCache() : slots_(slot_count) {}

    /// Empty if the piece is not here. 0 < piece.size() <= longest.
    std::span<const std::int32_t> find(std::string_view piece) const {
        const std::size_t first = first_slot(piece);
        for (const std::size_t at : {first, first ^ 1}) {
            const Slot& slot = slots_[at];
            if (slot.size == piece.size() &&
                std::memcmp(slot.piece.data(), piece.data(), piece.size()) == 0) {
                return {slot.ids.data(), slot.count};
            }
        }
        return {};
    }

    /// 0 < ids.size() <= most_ids
    void insert(std::string_view piece, std::span<const std::int32_t> ids) {
        const std::size_t first = first_slot(piece);
        Slot& slot = slots_[first];
        slots_[first ^ 1] = slot;
        slot.size = static_cast<std::uint8_t>(piece.size());
        slot.count = static_cast<std::uint8_t>(ids.size());
        std::copy(piece.begin(), piece.end(), slot.piece.begin());
        std::copy(ids.begin(), ids.end(), slot.ids.begin());
    }

private:
    struct alignas(64) Slot {  // one line of the processor's cache
        std::array<std::int32_t, most_ids> ids;
        std::array<char, longest> piece;
        std::uint8_t size = 0;  // of the piece; 0: the slot is empty
        std::uint8_t count = 0;
    };
    static constexpr std::size_t slot_count = std::size_t{1} << 16;

    static std::size_t first_slot(std::string_view piece) {
        return std::hash<std::string_view>{}(piece) % slot_count;
    }

    std::vector<Slot> slots_;
};

}  // namespace lrd
