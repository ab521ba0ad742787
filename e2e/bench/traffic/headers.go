package traffic

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// browser are the headers of somebody who looks at pages.
func (v *values) browser() [][2]string {
	agent, hints := v.userAgent()
	headers := [][2]string{
		{"User-Agent", agent},
		{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
		{"Accept-Language", v.acceptLanguage()},
		{"Accept-Encoding", "gzip, deflate, br, zstd"},
		{"Cookie", v.cookies()},
		{"Referer", "https://" + host + "/" + v.slug()},
		{"Sec-Fetch-Dest", "document"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Site", "same-origin"},
	}
	return append(headers, hints...)
}

// client are the headers of a script in a page, of an app or of another service.
func (v *values) client() [][2]string {
	headers := [][2]string{
		{"Accept", "application/json, text/plain, */*;q=0.5"},
		{"Authorization", "Bearer " + v.token()},
		{"X-Correlation-Id", v.uuid()},
	}
	switch v.IntN(4) {
	case 0:
		return append(headers, [2]string{"User-Agent", fmt.Sprintf("okhttp/4.%d.%d", v.between(9, 12), v.IntN(4))},
			[2]string{"Accept-Encoding", "gzip"}, [2]string{"X-App-Version", fmt.Sprintf("%d.%d.%d", v.between(3, 7), v.IntN(20), v.IntN(10))})
	case 1:
		return append(headers, [2]string{"User-Agent", fmt.Sprintf("ShopApp/%d.%d (iPhone; iOS %d.%d; Scale/3.00)",
			v.between(2, 9), v.IntN(30), v.between(16, 19), v.IntN(7))}, [2]string{"Accept-Language", v.acceptLanguage()},
			[2]string{"Traceparent", "00-" + v.hex(32) + "-" + v.hex(16) + "-01"})
	}
	agent, hints := v.userAgent()
	headers = append(headers, [2]string{"User-Agent", agent}, [2]string{"Accept-Language", v.acceptLanguage()},
		[2]string{"Accept-Encoding", "gzip, deflate, br"}, [2]string{"Cookie", v.cookies()}, [2]string{"Origin", "https://" + host},
		[2]string{"Referer", "https://" + host + "/checkout/" + v.hex(6)}, [2]string{"Sec-Fetch-Mode", "cors"})
	return append(headers, hints...)
}

// userAgent has the hints besides that go with it.
func (v *values) userAgent() (agent string, hints [][2]string) {
	version := v.between(120, 146)
	platform := [][2]string{{"Windows NT 10.0; Win64; x64", "Windows"}, {"Macintosh; Intel Mac OS X 10_15_7", "macOS"},
		{"X11; Linux x86_64", "Linux"}, {"Linux; Android 10; K", "Android"}}[v.IntN(4)]
	chrome := fmt.Sprintf("Mozilla/5.0 (%s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.%d.%d Safari/537.36",
		platform[0], version, v.between(5000, 7000), v.IntN(200))
	chromeHints := [][2]string{
		{"Sec-Ch-Ua", fmt.Sprintf(`"Chromium";v="%d", "Google Chrome";v="%d", "Not?A_Brand";v="24"`, version, version)},
		{"Sec-Ch-Ua-Mobile", "?0"}, {"Sec-Ch-Ua-Platform", `"` + platform[1] + `"`},
	}
	switch v.IntN(6) {
	case 0:
		return fmt.Sprintf("Mozilla/5.0 (%s; rv:%d.0) Gecko/20100101 Firefox/%d.0", platform[0], version, version), nil
	case 1:
		return fmt.Sprintf("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%d.%d Safari/605.1.15",
			v.between(16, 19), v.IntN(7)), nil
	case 2:
		return fmt.Sprintf("Mozilla/5.0 (iPhone; CPU iPhone OS %d_%d like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "+
			"Version/%d.0 Mobile/15E148 Safari/604.1", v.between(16, 18), v.IntN(7), v.between(16, 18)), nil
	case 3:
		return chrome + fmt.Sprintf(" Edg/%d.0.%d.%d", version, v.between(2000, 3000), v.IntN(100)), chromeHints
	default:
		return chrome, chromeHints
	}
}

func (v *values) acceptLanguage() string {
	first, second := v.of(languages), v.of(languages)
	return fmt.Sprintf("%s,%s;q=0.9,%s;q=0.%d,en;q=0.5", first, first[:2], second, v.between(6, 8))
}

func (v *values) cookies() string {
	cookies := []string{
		"session=" + v.hex(32),
		fmt.Sprintf("_ga=GA1.2.%d.%d", v.between(1e8, 2e9), v.between(17e8, 18e8)),
		"consent=analytics:" + v.number(0, 1) + "|ads:" + v.number(0, 1),
		"lang=" + v.of(languages),
		"cart=" + v.uuid(),
		"csrf_token=" + v.base64(43),
		"last_seen=" + v.date(),
	}
	return strings.Join(cookies[:v.between(3, len(cookies))], "; ")
}

// token looks like a JSON Web Token, with the size of an RSA signature.
func (v *values) token() string {
	encode := base64.RawURLEncoding.EncodeToString
	header := fmt.Sprintf(`{"alg":"RS256","kid":"%s","typ":"JWT"}`, v.hex(8))
	claims := fmt.Sprintf(`{"iss":"https://idp.example","sub":"%s","aud":"shop","exp":%d,"iat":%d,"email":"%s","scope":"openid profile orders","jti":"%s"}`,
		v.uuid(), v.between(18e8, 19e8), v.between(17e8, 18e8), v.email(), v.uuid())
	return encode([]byte(header)) + "." + encode([]byte(claims)) + "." + v.base64(342)
}
