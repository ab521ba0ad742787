package waf_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestXML(t *testing.T) {
	const refused, reached, seen = "200002", "200005", "1"
	// These are rules that look at texts; one that looks at attributes is at the end.
	for name, c := range map[string]struct{ body, want string }{
		"a text":                              {`<a>an attack</a>`, seen},
		"an attribute":                        {`<a b="an attack"/>`, seen},
		"an attribute without quotes":         {`<a b=attack>`, ""}, // a word is no attack here
		"a namespace":                         {`<a xmlns="an attack" xmlns:b="an attack"/>`, ""},
		"escapes":                             {`<a>an&#x20;&#97;tt&#97;ck</a>`, seen},
		"harmless":                            {`<a b="an"><!-- an attack --><c>attack</c></a>`, ""},
		"a comment in a word":                 {`<a>an att<!-- -->ack</a>`, seen},
		"a comment after a word":              {`<a>an <!-- -->attack</a>`, seen},
		"CDATA":                               {`<a><![CDATA[an att]]><![CDATA[ack]]></a>`, seen},
		"CDATA in a word":                     {`<a>an att<![CDATA[ack]]></a>`, seen},
		"an instruction":                      {`<a>an att<?x y?>ack</a>`, seen},
		"an element within":                   {`<a>an att<b/>ack</a>`, seen},
		"elements within":                     {`<a>an a<b>x</b>t<c><d>y</d></c>tack<e/></a>`, seen},
		"another element":                     {`<a>an att</a><b>ack</b>`, ""},
		"a document that ends early":          {`<a>an att<b/>ack<c><d/>`, seen},
		"in a text that ends early":           {`<a><b/>an attack`, seen},
		"behind the root":                     {`<a/>an attack`, seen},
		"before an error":                     {`<a>an attack</a><b c="<`, seen},
		"before what nobody opened":           {`<a>an attack</a></b>`, seen},
		"an end that nobody opened":           {`<a></a></b>`, refused},
		"a stray <":                           {`<a>x < y</a>`, refused},
		"a type":                              {`<!DOCTYPE a><a>b</a>`, ""},
		"a public type":                       {`<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://x"><plist/>`, ""},
		"an entity":                           {`<!DOCTYPE a [<!ENTITY x "an attack">]><a>&x;</a>`, refused},
		"an external entity":                  {`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`, refused},
		"a default of an attribute":           {`<!DOCTYPE a[<!ATTLIST a b CDATA "an attack">]><a/>`, refused},
		"an encoding":                         {`<?xml version="1.0" encoding="UTF-8"?><a>b</a>`, ""},
		"with blanks":                         {`<?xml version="1.0" encoding = 'utf-8' standalone='yes'?><a>b</a>`, ""},
		"none":                                {`<?xml version="1.0"?><a>b</a>`, ""},
		"another encoding":                    {`<?xml version="1.0" encoding="utf-7"?><a>+ADw-</a>`, refused},
		"another encoding, with blanks":       {"<?xml version='1.0' encoding\n = 'utf-7'?><a>+ADw-</a>", refused},
		"UTF-16":                              {"\xff\xfe<\x00a\x00>\x00", refused},
		"UTF-16 without a mark":               {"<\x00a\x00>\x00b\x00", refused},
		"a mark of UTF-8":                     {"\ufeff<a>an attack</a>", seen},
		"as many texts as may be":             {"<a>" + strings.Repeat("<b>x</b>", 1000) + "</a>", ""},
		"more texts":                          {"<a>" + strings.Repeat("<b>x</b>", 1001) + "</a>", refused},
		"more attributes":                     {"<a>" + strings.Repeat("<b c='x'/>", 1001) + "</a>", refused},
		"more attributes of one":              {"<a " + strings.Repeat("c='x' ", 1001) + "/>", refused},
		"the texts within each other":         {strings.Repeat("<b>x", 500) + strings.Repeat("</b>y", 500), ""},
		"an attack before there are too many": {"<a>an attack" + strings.Repeat("<b>x</b>", 1001) + "</a>", seen},
	} {
		t.Run(name, func(t *testing.T) {
			f := compile(t, `{"rules": ["SecRule XML:/* \"@rx an *attack\" \"id:1,phase:2,deny\"", "Include @recommended-conf", "SecRuleEngine On"]}`)
			e := exchange{method: "POST", headers: with("content-type", "text/xml"), body: c.body}
			got := e.through(t, f, 100).Decision()
			assert.Equal(t, c.want, got.Rule, got.Reason)
		})
	}
	// There may be no rule that refuses what cannot be read: it says so all the same.
	f := compile(t, `{"rules": ["Include @recommended-conf", "SecRuleEngine On", "SecRuleRemoveById 200002"]}`)
	e := exchange{method: "POST", headers: with("content-type", "text/xml"), body: strings.Repeat("<b>x</b>", 1001)}
	assert.Equal(t, reached, e.through(t, f, 100).Decision().Rule)

	f = compile(t, `{"rules": ["Include @recommended-conf", "SecRuleEngine On", "SecRule XML://@* \"@streq b\" \"id:1,phase:2,deny\""]}`)
	e.body = `<a>b<c xmlns="b"/></a>`
	assert.Equal(t, seen, e.through(t, f, 100).Decision().Rule)
	e.body = `<a>b</a>`
	assert.Empty(t, e.through(t, f, 100).Decision().Rule)
}
