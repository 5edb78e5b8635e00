-- The order of names and their short form. A name's pattern is the name with a hole for each of its numbers; names of
-- one pattern differ in their numbers only, and fold together.
--
-- A number is kept with its width, as a key: width * 10^15 + value. Keys sort by width, then by value: 9 10 010 100.

local M = {}

local HOLE = "\1" -- sorts before all that is in names
local UNIT = 10 ^ 15 // 1 | 0
local MAX_DIGITS = 15
local MANY = 20000 -- tuples, past which the second best is good enough

local FORMAT, POWER = {}, {}
for width = 1, MAX_DIGITS + 1 do
    FORMAT[width] = ("%%0%dd"):format(width)
    POWER[width] = 10 ^ width // 1 | 0
end

M.MAX_DIGITS = MAX_DIGITS

local function digits(key)
    return FORMAT[key // UNIT]:format(key % UNIT)
end

local function key_of(text)
    return #text * UNIT + tonumber(text)
end

-- ---- grouping by pattern ----

--- Longer runs of digits are no numbers, and addresses in brackets have none.
local function odd_pattern(name)
    if name:find("[", 1, true) then return name, 0 end
    local dims = 0
    local pattern = name:gsub("%d+", function(run)
        if #run > MAX_DIGITS then return nil end
        dims = dims + 1
        return HOLE
    end)
    return pattern, dims
end

local function is_odd(name)
    return name:find("[", 1, true) or (#name > MAX_DIGITS and name:find("%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d"))
end

local function numbers(name)
    local out = {}
    for run in name:gmatch "%d+" do
        if #run <= MAX_DIGITS then out[#out + 1] = run end
    end
    return out
end

--- Groups in the order of their patterns. items: keys of the numbers where there is one, else tuples of digits.
local function grouped(names)
    local groups, list = {}, {}
    for i = 1, #names do
        local name = names[i]
        local odd = is_odd(name)
        local pattern, dims
        if odd then pattern, dims = odd_pattern(name) else pattern, dims = name:gsub("%d+", HOLE) end
        local g = groups[pattern]
        if not g then
            g = {pattern = pattern, dims = dims, items = {}}
            groups[pattern] = g
            list[#list + 1] = pattern
        end
        local items = g.items
        if dims == 1 and not odd then
            local first, last = name:find "%d+"
            items[#items + 1] = (last - first + 1) * UNIT + tonumber(name:sub(first, last))
        elseif dims > 0 then
            local tuple = numbers(name)
            items[#items + 1] = dims == 1 and key_of(tuple[1]) or tuple
        end
    end
    table.sort(list)
    for i, pattern in ipairs(list) do list[i] = groups[pattern] end
    return list
end

-- ---- order ----

--- A string that sorts as the tuple does.
local function sort_key(tuple)
    local parts = {}
    for i, text in ipairs(tuple) do parts[i] = string.char(#text) .. text end
    return table.concat(parts)
end

--- Sorts tuples; of(item) is the tuple of an item.
local function sort_tuples(items, of)
    local keys, by = {}, {}
    for i, item in ipairs(items) do
        keys[i] = sort_key(of(item))
        by[keys[i]] = item
    end
    table.sort(keys)
    for i, key in ipairs(keys) do items[i] = by[key] end
end

local function itself(x) return x end

local function fill(pattern, texts)
    local i = 0
    return (pattern:gsub(HOLE, function()
        i = i + 1
        return texts[i]
    end))
end

--- The names, each once, sorted: by pattern, then by their numbers from the left, of which the shorter come first.
---@param names string[] each once
---@return string[]
function M.sorted(names)
    local out = {}
    for _, g in ipairs(grouped(names)) do
        local pattern, items = g.pattern, g.items
        if g.dims == 0 then
            out[#out + 1] = pattern
        elseif g.dims == 1 then
            table.sort(items)
            local before, after = pattern:match("^(.-)" .. HOLE .. "(.*)$")
            for i = 1, #items do out[#out + 1] = before .. digits(items[i]) .. after end
        else
            sort_tuples(items, itself)
            for i = 1, #items do out[#out + 1] = fill(pattern, items[i]) end
        end
    end
    return out
end

-- ---- ranges ----

--- 99 and 100 are neighbours in a range, 099 and 100 too, 09 and 010 aren't.
local function follows(first, last, key)
    if key == last + 1 then return true end
    local width, value = last // UNIT, last % UNIT
    if value ~= POWER[width] - 1 or key ~= (width + 1) * UNIT + POWER[width] then return false end
    width = first // UNIT
    return width == 1 or first % UNIT >= POWER[width - 1]
end

--- "1-3,7,010" of sorted keys.
local function range_text(keys)
    local runs, first, last = {}, keys[1], keys[1]
    local function flush()
        runs[#runs + 1] = first == last and digits(first) or digits(first) .. "-" .. digits(last)
    end
    for i = 2, #keys do
        local key = keys[i]
        if not follows(first, last, key) then
            flush()
            first = key
        end
        last = key
    end
    flush()
    return table.concat(runs, ",")
end

local function bracketed(text)
    return text:find("[,-]") and "[" .. text .. "]" or text
end

-- ---- several numbers ----
-- A box is a tuple of ranges, as text; keys[text] has what a range stands for. Boxes don't overlap.

local function joined(texts, keys)
    local all = {}
    for _, text in ipairs(texts) do
        local more = keys[text]
        table.move(more, 1, #more, #all + 1, all)
    end
    table.sort(all)
    local text = range_text(all)
    keys[text] = all
    return text
end

--- Joins the boxes that differ along one axis only.
local function merge_axis(boxes, axis, keys)
    local by, order = {}, {}
    for _, box in ipairs(boxes) do
        local text = box[axis]
        box[axis] = ""
        local rest = table.concat(box, HOLE)
        box[axis] = text
        local texts = by[rest]
        if texts then
            texts[#texts + 1] = text
        else
            by[rest] = {text, box = box}
            order[#order + 1] = by[rest]
        end
    end
    local out = {}
    for i, texts in ipairs(order) do
        out[i] = table.move(texts.box, 1, #texts.box, 1, {})
        if #texts > 1 then out[i][axis] = joined(texts, keys) end
    end
    return out
end

local function merge(boxes, first, last, step, keys)
    local before
    repeat
        before = #boxes
        for axis = first, last, step do boxes = merge_axis(boxes, axis, keys) end
    until #boxes == before
    return boxes
end

local function box_texts(pattern, boxes, keys)
    sort_tuples(boxes, function(box)
        local tuple = {}
        for i, text in ipairs(box) do tuple[i] = digits(keys[text][1]) end
        return tuple
    end)
    local out = {}
    for i, box in ipairs(boxes) do
        local texts = {}
        for axis, text in ipairs(box) do texts[axis] = bracketed(text) end
        out[i] = fill(pattern, texts)
    end
    return out
end

--- From the last axis to the first, or the other way where that takes fewer boxes or less text.
local function fold_tuples(g)
    local keys = {}
    for _, tuple in ipairs(g.items) do
        for _, text in ipairs(tuple) do keys[text] = keys[text] or {key_of(text)} end
    end
    -- What is merged away stays as it was: the second try starts with the same items.
    local boxes = merge(g.items, g.dims, 1, -1, keys)
    local texts = box_texts(g.pattern, boxes, keys)
    if #boxes == 1 or #g.items > MANY then return texts end
    local other = merge(g.items, 1, g.dims, 1, keys)
    if #other > #boxes then return texts end
    local others = box_texts(g.pattern, other, keys)
    if #other == #boxes and #table.concat(others) >= #table.concat(texts) then return texts end
    return others
end

--- The short form of names.
---@param names string[] each once
---@return string
function M.fold(names)
    local out = {}
    for _, g in ipairs(grouped(names)) do
        if g.dims == 0 then
            out[#out + 1] = g.pattern
        elseif g.dims == 1 then
            table.sort(g.items)
            out[#out + 1] = fill(g.pattern, {bracketed(range_text(g.items))})
        else
            local texts = fold_tuples(g)
            table.move(texts, 1, #texts, #out + 1, out)
        end
    end
    return table.concat(out, ",")
end

return M
