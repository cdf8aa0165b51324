"""First and last names for the passkeys: 80 of each, 6,400 people.

No first name ends as another one does whole, and no last name begins as another one does whole, so that a full name never
stands inside another full name.
"""

from __future__ import annotations

_FIRST = """
Abigail Adrian Agnes Alberto Amara Andrea Astrid Barnaby Beatrice Boris Bridget Carlos Cecily Chidi Clara Conrad
Daphne Declan Delia Dominic Edith Elias Esther Farid Felicity Florian Gareth Genevieve Gideon Greta Hamish Harriet
Helga Hugo Imogen Ingrid Isidore Jasper Joanna Julius Kamala Keiko Kenneth Lavinia Leopold Lorna Magnus Marguerite
Matilda Miriam Nadia Nigel Noemi Octavia Oliver Oscar Pauline Penelope Philip Quentin Rafael Ramona Roderick Rosalie
Samuel Selma Sidney Sophia Tabitha Theodore Thora Ulrich Ursula Valentin Veronica Wallace Winifred Xavier Yolanda Zachary
"""
_LAST = """
Abernathy Achebe Ashworth Baldwin Barrow Bellamy Birdwell Blackwood Bonnet Brightman Calloway Carver Chandler Clifford
Cogswell Crane Dalgaard Davenport Delacroix Draper Dunlop Eastman Ellsworth Everett Fairfax Fenwick Fletcher Fontaine
Gallagher Gardiner Gilchrist Goodwin Greer Hallam Hargreaves Haskell Hathaway Holloway Ibsen Ingram Jansen Jessop Kaplan
Kellerman Kimura Kowalski Lambert Larkin Lindgren Lockwood Mallory Marchetti Mayfield Merriweather Montgomery Nakamura
Newcombe Norwood Okafor Osborne Pemberton Pickering Prescott Quigley Radcliffe Rasmussen Redfern Rutherford Sandoval
Sinclair Stanhope Sutton Tennyson Thackeray Underhill Vandermeer Villanueva Whitaker Yamamoto Zimmerman
"""
FIRST = tuple(_FIRST.split())
LAST = tuple(_LAST.split())
