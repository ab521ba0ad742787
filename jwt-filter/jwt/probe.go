package jwt

import "errors"

// Probe tells whether s verifies: it must accept a signature that is right and refuse one that is not. The
// key was made for this and its private half thrown away.
func Probe(s Signatures) bool {
	n, err := decode64(probeModulus)
	if err != nil {
		return false
	}
	signature, err := decode64(probeSignature)
	if err != nil {
		return false
	}
	key := &Key{spki: rsaSPKI(n, []byte{1, 0, 1})}
	return s.Verify(RS256, key, probeText, signature) == nil &&
		errors.Is(s.Verify(RS256, key, probeText+".", signature), ErrForged)
}

const (
	probeText      = "palisade"
	probeModulus   = "_rIMUSu0671w0ucW4L7gCwtLycZAiOOHpCSPg1C-kv5E1MDEfST9pQI9SaaUWhrq7cEwHZyTIFdewtoxDaRr0eSiHhvSPwPeGnmx3MHT68Obi3qa4XgJVmcUICb_mRska91GTV6S2XGkC7lUsWzh3OHXlZwvWBOWBu5oz8Ai4otEx1V8nloBGIP9SYoS-gTzdmke6Zn7VcX-9tUXLPxY0cVjRIY-0VyvuXvn12xxBtO0GJwR2TIc7otV70QSohlhPxkeVPZKzOboBACKnTQQBE1m0mxSDCYAyMr_o0644MXrQfRTFjr1itl9cZKLHhYQ9pBmSX76qAMVIvhEEqShqw"
	probeSignature = "Sz3zpZhwmwVE_rqoubNpZI2mC3V_7-TUlOV10SJMVxzEMbpB2YQNIRIGj6WjreyawWmL9q9HvBPwRxmHPl6c-BR1mGARpIT-2zecFEvg2twY6G2LKiH3RA4HivlmjLc2mkytlL9gB3tAHG0Dbi3gTHDj6tC6KgSvjDQ2CoKsArTlawkC3aLMaF3XgfHS5gjHoXdlz4Tl3GzmrRtKlOwQERjinJstv4OJqyGPK7xRPh6D9FnaxWw95bOZV_LwUbfDdQFLfeEyNNKik3CPcEdrlzxoLbDN1DnvB7Mtc0TM_sLtNfp91mh0AUKt1jFpXkRea4z1IdA3OLrvKxP4WcwiCA"
)
