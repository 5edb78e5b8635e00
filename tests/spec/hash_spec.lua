package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local hash = require "rshell.sys.hash"

local EMPTY = {
    md5 = "d41d8cd98f00b204e9800998ecf8427e",
    sha1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    sha512 = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f"
        .. "63b931bd47417a81a538327af927da3e",
    xxh64 = "ef46db3751d8e999",
}

spec.table("the empty string", {{"md5"}, {"sha1"}, {"sha256"}, {"sha512"}, {"xxh64"}}, function(t, c)
    t.eq(hash[c[1]](""), EMPTY[c[1]])
    t.eq(hash.new(c[1]):hex(), EMPTY[c[1]])
end)

spec.table("pieces give what the whole gives", {{"md5"}, {"sha1"}, {"sha256"}, {"sha512"}, {"xxh64"}}, function(t, c)
    local text = ("some bytes \0\255 "):rep(50)
    for size = 1, #text, 37 do
        local h = hash.new(c[1])
        for at = 1, #text, size do h:update(text:sub(at, at + size - 1)) end
        t.eq(h:hex(), hash[c[1]](text))
    end
end)

spec.test("an object goes on after it was asked", function(t)
    local h = hash.new "sha256"
    t.eq(h:update "a":update "b":hex(), hash.sha256 "ab")
    t.eq(h:hex(), hash.sha256 "ab")
    t.eq(h:update "c":hex(), hash.sha256 "abc")
end)

spec.test("digest is the bytes that hex writes", function(t)
    local h = hash.new "sha1":update "abc"
    t.eq(#h:digest(), 20)
    t.eq((h:digest():gsub(".", function(b) return string.format("%02x", b:byte()) end)), h:hex())
end)

spec.table("the system's programs agree", {{"md5"}, {"sha1"}, {"sha256"}, {"sha512"}, {"xxh64"}}, function(t, c)
    local program = c[1] .. "sum"
    if not os.execute("command -v " .. program .. " >/dev/null 2>&1") then t.skip("no " .. program) end
    local name = t.tmp() .. "/f"
    local bytes = {}
    for i = 1, 100000 do bytes[i] = string.char((i * i + i // 7) % 256) end
    local text = table.concat(bytes)
    local f <close> = assert(io.open(name, "wb"))
    f:write(text)
    f:flush()
    local p <close> = assert(io.popen(program .. " <" .. name))
    t.eq(hash[c[1]](text), p:read "a":match "^%x+")
end)

spec.test("misuse", function(t)
    t.raises("usage", hash.new, "sha3")
    t.raises("string expected", hash.sha256, {})
    t.raises("string expected", hash.sha256)
    t.raises("string expected", function() hash.new "md5":update() end)
    t.raises("Hash", function() hash.new("md5").update({}, "x") end)
end)

spec.test("tostring tells what it is", function(t)
    t.eq(tostring(hash.new "sha256":update "abc"), "hash: sha256 of 3 bytes")
end)

spec.finish()
