-- Numbers of one's own, so that a seed says what is done.

--- random(n): 1 to n.
---@param seed integer
return function(seed)
    local x = seed * 2654435761 % 4294967296
    return function(n)
        x = (x * 1664525 + 1013904223) % 4294967296
        return (x >> 8) % n + 1
    end
end
