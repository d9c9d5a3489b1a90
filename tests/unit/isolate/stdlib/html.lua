local check = require "check"
local html = require "html"

return check.worker {
  text_is_escaped = function()
    check.same(html.escape [[<a href="x">'&'</a>]], "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;")
    check.same(html.escape "", "")
    check.fails("html.escape: the text must be a string, got nil", html.escape)
  end,

  entities_are_read = function()
    check.table(html.unescape, {
      { "&lt;b&gt; &amp;amp; &quot;&#39;&apos;", wanted = "<b> &amp; \"''" },
      { "J&ouml;rg &Omega;&alpha;&sigma; &euro;&hellip;&nbsp;", wanted = "Jörg Ωασ €…\194\160" },
      { "&#228;&#xE4;&#X1F600;&#128;", wanted = "ää😀€" },
      { "&#0;&#xD800;&#1114112;&#9999999;", wanted = ("\239\191\189"):rep(4) },
      { "& &; &x &#; &#x; &#xg; &#12a; &nothing; &#999999999; &amp", wanted =
        "& &; &x &#; &#x; &#xg; &#12a; &nothing; &#999999999; &amp" },
    })
  end,

  mail_becomes_readable = function()
    check.table(html.toText, {
      { "", wanted = "" },
      { "<html><head><title>T</title><style>p{}</style></head><body><p>Hello\n  <b>Anna</b>,</p><p>bye</p></body>",
        wanted = "Hello Anna,\n\nbye\n" },
      { "a<br>b<br/><br />c<div>d</div>e", wanted = "a\nb\n\nc\nd\ne\n" },
      { "<ul><li>one<li>two<ol><li>x</li><li>y<br>z</li></ol></ul>end",
        wanted = "* one\n* two\n  1. x\n  2. y\n    z\n\nend\n" },
      { "<p>he said</p><blockquote>a<p>b</p><blockquote>c</blockquote></blockquote>d",
        wanted = "he said\n\n> a\n>\n> b\n>\n> > c\n\nd\n" },
      { '<a href="https://a.test/x?a=1&amp;b=2">here</a>.', wanted = "here <https://a.test/x?a=1&b=2>.\n" },
      { "<a href='https://a.test/'>a.test</a> <a href=mailto:a@b.test>a@b.test</a>", wanted = "a.test a@b.test\n" },
      { '<a href="javascript:alert(1)">x</a> <a>y</a> <a href="https://t.test"><img src=x></a>', wanted = "x y\n" },
      { '<a href="https://t.test"><img alt="Logo &amp; co" src=x></a>', wanted = "Logo & co <https://t.test>\n" },
      { "<table><tr><td>a</td><td>b</td></tr><tr><th>c<td>d</table>", wanted = "a b\nc d\n" },
      { "<pre>  x\n    y  \n\nz</pre>w", wanted = "  x\n    y\n\nz\n\nw\n" },
      { "a<hr>b", wanted = "a\n----\nb\n" },
      { "<script>if (a<b) '</p>'</script>x<STYLE>y</STYLE>z<!-- > -->!<!DOCTYPE x><?php ?>", wanted = "xz!\n" },
      { "5 < 6 && 7 > 6 <3 a&nbsp;b", wanted = "5 < 6 && 7 > 6 <3 a b\n" },
      { '<p title="a > b">x</p><p title=it\'s>y</p>', wanted = "x\n\ny\n" },
      { "<h1> A </h1>\n\n\n<p>\n</p><p>B</p>", wanted = "A\n\nB\n" },
    })
  end,

  broken_html_ends_where_it_ends = function()
    check.table(html.toText, {
      { "a<", wanted = "a<\n" },
      { "a<b", wanted = "a\n" },
      { "a<!-- b", wanted = "a\n" },
      { "a<script>b", wanted = "a\n" },
      { 'a<a href="b>c', wanted = "a\n" },
      { "</ul></li></blockquote></pre></a>a", wanted = "a\n" },
      { "<li>a</li>", wanted = "* a\n" },
      { "<a href=https://b.test>c", wanted = "c <https://b.test>\n" },
      { "\0\1a\255", wanted = "a\255\n" },
    })
  end,

  hostile_html_takes_linear_time = function()
    local count = 200000
    for _, piece in ipairs { "<", "<a", "<a href=", '<a href="', "<a href='x'>", "</script", "<script>", "<!--", "<p>", "<ul><li>",
      "<blockquote>", "&", "&amp", "&#", "<br>", "<td>", "a=", "<pre> ", "<img alt='x'>", "<a b=c d", " ", "=\"" } do
      local text = html.toText(piece:rep(count))
      check.same({ piece, #text <= 60 * #piece * count }, { piece, true })
    end
    check.same(#html.toText("<script>" .. ("</script"):rep(count)), 0)
    check.same(#html.toText("<pre>" .. (" "):rep(1e6) .. "x</pre>"), 1e6 + 2)
    check.same(#html.toText("<a " .. ("b"):rep(1e6) .. ">x"), 2)
    check.same(html.toText(("<blockquote>"):rep(1000) .. "x"), ("> "):rep(10) .. "x\n")
    check.same(#html.unescape(("&"):rep(1e6)), 1e6)
    check.same(#html.fromText("http://" .. ("."):rep(1e6) .. "x" .. ("."):rep(1e6)) > 2e6, true)
  end,

  text_becomes_html = function()
    check.table(html.fromText, {
      { "", wanted = "" },
      { "a\r\nb\n\n\nc <d>", wanted = "<p>a<br>\nb</p>\n<p>c &lt;d&gt;</p>\n" },
      { "see https://a.test/?a=1&b=2.", wanted =
        '<p>see <a href="https://a.test/?a=1&amp;b=2">https://a.test/?a=1&amp;b=2</a>.</p>\n' },
      { 'http://x"onclick="y', wanted = '<p><a href="http://x">http://x</a>&quot;onclick=&quot;y</p>\n' },
      { "javascript:x", wanted = "<p>javascript:x</p>\n" },
    })
  end,
}
