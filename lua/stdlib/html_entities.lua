-- html_entities: named and numeric character references. For the module html.
local char, floor, gsub = string.char, math.floor, string.gsub

-- U+00A0 to U+00FF, in order.
local latin1 = [[
nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute
micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring
AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml
times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil
egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash
ugrave uacute ucirc uuml yacute thorn yuml]]

-- Greek capitals from U+0391 (there is no U+03A2) and small letters from U+03B1.
local greek = [[
Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron Pi Rho - Sigma Tau Upsilon
Phi Chi Psi Omega]]

local others = [[
amp=26 lt=3C gt=3E quot=22 apos=27 OElig=152 oelig=153 Scaron=160 scaron=161 Yuml=178 fnof=192 circ=2C6
tilde=2DC ensp=2002 emsp=2003 thinsp=2009 zwnj=200C zwj=200D lrm=200E rlm=200F ndash=2013 mdash=2014
lsquo=2018 rsquo=2019 sbquo=201A ldquo=201C rdquo=201D bdquo=201E dagger=2020 Dagger=2021 bull=2022
hellip=2026 permil=2030 prime=2032 Prime=2033 lsaquo=2039 rsaquo=203A oline=203E frasl=2044 euro=20AC
image=2111 real=211C trade=2122 alefsym=2135 larr=2190 uarr=2191 rarr=2192 darr=2193 harr=2194 lArr=21D0
rArr=21D2 hArr=21D4 forall=2200 part=2202 exist=2203 empty=2205 nabla=2207 isin=2208 notin=2209 ni=220B
prod=220F sum=2211 minus=2212 lowast=2217 radic=221A prop=221D infin=221E ang=2220 and=2227 or=2228 cap=2229
cup=222A int=222B there4=2234 sim=223C cong=2245 asymp=2248 ne=2260 equiv=2261 le=2264 ge=2265 sub=2282
sup=2283 nsub=2284 sube=2286 supe=2287 oplus=2295 otimes=2297 perp=22A5 sdot=22C5 loz=25CA spades=2660
clubs=2663 hearts=2665 diams=2666 check=2713 star=2606 phone=260E commat=40 num=23 dollar=24 percnt=25
lpar=28 rpar=29 comma=2C period=2E colon=3A semi=3B equals=3D quest=3F excl=21 lsqb=5B rsqb=5D lowbar=5F
lcub=7B rcub=7D vert=7C Tab=9 NewLine=A hyphen=2010 sigmaf=3C2]]

-- What &#128; to &#159; mean: Windows-1252, as in every browser.
local windows1252 = { [0] = 0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030,
  0x160, 0x2039, 0x152, 0x8D, 0x17D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
  0x2DC, 0x2122, 0x161, 0x203A, 0x153, 0x9D, 0x17E, 0x178 }

local REPLACEMENT = "\239\191\189"

local function utf8(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + floor(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64, 0x80 + floor(code / 64) % 64,
    0x80 + code % 64)
end

local named = {}

local function add_in_order(names, code)
  for name in names:gmatch("%S+") do
    named[name] = utf8(code)
    code = code + 1
  end
end

add_in_order(latin1, 0xA0)
add_in_order(greek, 0x391)
add_in_order(greek:lower(), 0x3B1)
for name, code in others:gmatch("(%w+)=(%x+)") do
  named[name] = utf8(tonumber(code, 16))
end

local function numbered(digits, base)
  local code = tonumber(digits, base)
  if code >= 128 and code < 160 then
    code = windows1252[code - 128]
  end
  if code == 0 or code > 0x10FFFF or (code >= 0xD800 and code < 0xE000) then
    return REPLACEMENT
  end
  return utf8(code)
end

local function meaning(hash, x, body)
  if hash == "" then
    return named[x .. body]
  elseif x ~= "" then
    return body:find("^%x+$") and numbered(body, 16) or nil
  end
  return body:find("^%d+$") and numbered(body, 10) or nil
end

-- Names are at most eight letters long, numbers at most seven digits.
local function decode(text)
  return (gsub(text, "&(#?)([xX]?)(%w%w?%w?%w?%w?%w?%w?%w?);", meaning))
end

return { decode = decode }
