"""Operations that change something or take long. Imports all rooms below."""
