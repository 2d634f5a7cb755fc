"""The web under the fetch door: one image at a time, from public addresses alone, as politely as its host asks for."""
